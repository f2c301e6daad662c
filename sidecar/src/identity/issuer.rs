//! The door to all identities: one attempt to get a token.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use contract::{ClientId, Identity, Settings, names::env};

use super::{
    application::Application,
    certificate::Summary,
    certificate_file::Reload,
    exchange::{Exchange, Registration},
    fetch_error::{FetchError, FetchErrorKind},
    route::Route,
    token::Token,
    transport::{ATTEMPT_TIMEOUT, CONNECT_TIMEOUT, Peer, Transport},
};

/// Settings under which no token can ever be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// An identity of a tenant without an authority to ask.
    #[error("{} is missing: the identity needs an authority", env::AZURE_AUTHORITY_HOST)]
    NoAuthority,
}

/// Gets tokens for one identity and one audience.
#[derive(Debug)]
pub struct Issuer {
    exchange: Exchange,
    source: Source,
}

/// What an identity shows to get a token.
#[derive(Debug)]
enum Source {
    /// Nothing: being on the node is enough.
    Node(Option<ClientId>),
    /// An assertion that it signs itself.
    Application(Application),
    /// An assertion that the cluster has signed.
    Federated { registration: Registration, token_file: PathBuf },
}

impl Issuer {
    /// An issuer for the identity and audience of `settings`, which trusts
    /// what `tls` trusts. Files are not looked at: that they are missing is
    /// for [`Self::fetch`] to say.
    pub fn new(
        settings: &Settings,
        tls: Arc<rustls::ClientConfig>,
        now: fn() -> SystemTime,
    ) -> Result<Self, SetupError> {
        let authority = || settings.authority_host.clone().ok_or(SetupError::NoAuthority);
        let identity = settings.identity.clone();
        let source = match identity.clone() {
            Identity::SystemAssigned => Source::Node(None),
            Identity::UserAssigned { client_id } => Source::Node(Some(client_id)),
            Identity::AadApplication { client_id, tenant_id, certificate } => {
                let registration = Registration { client_id, tenant_id, authority: authority()? };
                Source::Application(Application::new(registration, &certificate, now))
            }
            Identity::WorkloadIdentity { client_id, tenant_id, token_file } => {
                let registration = Registration { client_id, tenant_id, authority: authority()? };
                Source::Federated { registration, token_file }
            }
        };
        let direct = Route::direct(CONNECT_TIMEOUT);
        let (peer, route) = match &source {
            Source::Node(_) => {
                let host = settings.metadata_host.as_ref().map(|host| host.url().clone());
                (Peer::Metadata(host), direct)
            }
            Source::Application(_) | Source::Federated { .. } => {
                let authority = authority()?.as_str().parse().unwrap_or_default();
                (Peer::Authority, direct.through(settings.proxy.as_ref(), &authority))
            }
        };
        let transport = Transport::new(peer, route, tls, ATTEMPT_TIMEOUT, now);
        Ok(Self { exchange: Exchange::new(identity, &settings.audience, transport), source })
    }

    /// One attempt to get a new token, of 20 s at most; where a new certificate
    /// is refused and an older one is tried, of twice that.
    pub async fn fetch(&mut self) -> Result<Token, FetchError> {
        match &mut self.source {
            Source::Node(client_id) => self.exchange.by_node(client_id.as_ref()).await,
            Source::Application(application) => application.fetch(&self.exchange).await,
            Source::Federated { registration, token_file } => {
                let assertion = ServiceAccountToken(read_token(token_file)?);
                self.exchange.by_assertion(registration, assertion).await
            }
        }
    }

    /// Looks whether the certificate's file has changed: for calling every few
    /// seconds. A change is worth an early [`Self::fetch`].
    pub fn reload(&mut self) -> Reload {
        match &mut self.source {
            Source::Application(application) => application.reload(),
            Source::Node(_) | Source::Federated { .. } => Reload::Unchanged,
        }
    }

    /// The certificate that the next assertion is signed with, if the identity
    /// has one and it could be read.
    pub fn certificate(&self) -> Option<&Summary> {
        match &self.source {
            Source::Application(application) => application.certificate(),
            Source::Node(_) | Source::Federated { .. } => None,
        }
    }

    /// When that certificate ends.
    pub fn certificate_expiry(&self) -> Option<SystemTime> {
        self.certificate().map(|summary| summary.not_after)
    }
}

/// The service account token, without the line's end that an editor may leave.
pub(crate) fn read_token(path: &Path) -> Result<String, FetchError> {
    let cannot = |reason: &str| {
        let what = format!(
            "cannot use the service account token of {}={}: {reason}",
            env::AZURE_FEDERATED_TOKEN_FILE,
            path.display()
        );
        FetchError::lasting(FetchErrorKind::TokenFile, what)
    };
    let text = fs::read_to_string(path).map_err(|error| cannot(&error.to_string()))?;
    match text.trim() {
        "" => Err(cannot("the file is empty")),
        token => Ok(token.to_owned()),
    }
}

/// A token that the cluster has signed for the pod's service account.
struct ServiceAccountToken(String);

/// Prints no token.
impl fmt::Debug for ServiceAccountToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceAccountToken")
    }
}

#[async_trait::async_trait]
impl ClientAssertion for ServiceAccountToken {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        Ok(self.0.clone())
    }
}

#[cfg(test)]
mod tests;
