//! The door to all identities: one attempt to get a token.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use contract::{ClientId, Identity, IdentityEndpoint, Settings, TokenProxy, names::env};

use super::{
    application::{Application, Reload},
    certificate::Summary,
    exchange::{Exchange, Registration},
    fetch_error::{FetchError, FetchErrorKind},
    service::TokenService,
    token::Token,
    transport::{ATTEMPT_TIMEOUT, Transport},
};
use crate::dial::Dialer;

/// Gets tokens for one identity and one audience.
#[derive(Debug)]
pub struct Issuer {
    exchange: Exchange,
    proof: Proof,
}

/// What an identity shows to get a token.
#[derive(Debug)]
enum Proof {
    /// Nothing: being on the node is enough.
    Node(Option<ClientId>),
    /// The secret that the platform has given to the app.
    Platform(IdentityEndpoint, Option<ClientId>),
    /// An assertion that it signs itself.
    Application(Application),
    /// An assertion that the cluster has signed.
    Federated { registration: Registration, token_file: PathBuf },
}

impl Issuer {
    /// An issuer for the identity and audience of `settings`, on connections of
    /// `dialer`. Files are not looked at: that they are missing is
    /// for [`Self::fetch`] to say.
    pub(crate) fn new(settings: &Settings, dialer: &Dialer, now: fn() -> SystemTime) -> Self {
        let identity = settings.identity.clone();
        let (proof, service, dialer) = match identity.clone() {
            Identity::SystemAssigned => managed(settings, dialer, None),
            Identity::UserAssigned { client_id } => managed(settings, dialer, Some(client_id)),
            Identity::AadApplication { client_id, tenant_id, authority, certificate } => {
                let registration = Registration { client_id, tenant_id, authority };
                let application = Application::new(registration, &certificate, now);
                let proof = Proof::Application(application);
                (proof, TokenService::Entra, dialer.for_authority())
            }
            Identity::WorkloadIdentity {
                client_id,
                tenant_id,
                authority,
                token_file,
                token_proxy,
            } => {
                let registration = Registration { client_id, tenant_id, authority };
                let proof = Proof::Federated { registration, token_file };
                match token_proxy {
                    None => (proof, TokenService::Entra, dialer.for_authority()),
                    Some(proxy) => {
                        let dialer = dialer.for_token_proxy(proxy.server_name.as_ref());
                        (proof, TokenService::TokenProxy(proxy), dialer)
                    }
                }
            }
        };
        let transport = Transport::new(service, dialer, ATTEMPT_TIMEOUT, now);
        Self { exchange: Exchange::new(identity, &settings.audience, transport), proof }
    }

    /// One attempt to get a new token, of 20 s at most; where a certificate is
    /// refused and a newer one is tried, of twice that.
    pub async fn fetch(&mut self) -> Result<Token, FetchError> {
        match &mut self.proof {
            Proof::Node(client_id) => {
                self.exchange.managed_identity_token(client_id.as_ref()).await
            }
            Proof::Platform(endpoint, client_id) => {
                self.exchange.platform_token(endpoint, client_id.as_ref()).await
            }
            Proof::Application(application) => application.fetch(&self.exchange).await,
            Proof::Federated { registration, token_file } => {
                let assertion = ServiceAccountToken(read_token(token_file).await?);
                self.exchange.client_assertion_token(registration, assertion).await
            }
        }
    }

    /// Connects to the proxy that stands in for Entra, without a request.
    pub(crate) async fn reach_token_proxy(&self, proxy: &TokenProxy) -> Result<(), FetchError> {
        self.exchange.reach(proxy.address.url()).await
    }

    /// Looks whether the certificate's file has changed: for calling every few
    /// seconds.
    pub async fn reload(&mut self) -> Reload {
        match self.application_mut() {
            Some(application) => application.reload().await,
            None => Reload::Unchanged,
        }
    }

    /// Tries a certificate that Entra has not accepted yet, if it is time to; `None`
    /// if it is not. With its first token it is in use.
    pub async fn try_next_certificate(&mut self) -> Option<Result<Token, FetchError>> {
        match &mut self.proof {
            Proof::Application(application) if application.next_is_due() => {
                application.try_next(&self.exchange).await
            }
            _ => None,
        }
    }

    /// The certificate in use, which the next assertion is signed with, if the
    /// identity has one and it could be read.
    pub fn certificate(&self) -> Option<&Summary> {
        self.application().and_then(Application::certificate)
    }

    /// A newer certificate that Entra has not accepted yet.
    pub fn next_certificate(&self) -> Option<&Summary> {
        self.application().and_then(Application::next_certificate)
    }

    const fn application(&self) -> Option<&Application> {
        match &self.proof {
            Proof::Application(application) => Some(application),
            _ => None,
        }
    }

    const fn application_mut(&mut self) -> Option<&mut Application> {
        match &mut self.proof {
            Proof::Application(application) => Some(application),
            _ => None,
        }
    }
}

/// A managed identity's tokens come from the platform, if it has an endpoint for them.
fn managed(
    settings: &Settings,
    dialer: &Dialer,
    client_id: Option<ClientId>,
) -> (Proof, TokenService, Dialer) {
    let dialer = dialer.for_metadata();
    if let Some(endpoint) = settings.identity_endpoint.clone() {
        return (Proof::Platform(endpoint, client_id), TokenService::Platform, dialer);
    }
    let host = settings.metadata_host.as_ref().map(|host| host.url().clone());
    (Proof::Node(client_id), TokenService::Imds(host), dialer)
}

/// The service account token, without the line's end that an editor may leave.
pub(crate) async fn read_token(path: &Path) -> Result<String, FetchError> {
    let cannot = |reason: &str| {
        let what = format!(
            "cannot use the service account token of {}={}: {reason}",
            env::AZURE_FEDERATED_TOKEN_FILE,
            path.display()
        );
        FetchError::lasting(FetchErrorKind::TokenFile, what)
    };
    let read = tokio::fs::read_to_string(path).await;
    let text = read.map_err(|error| cannot(&error.to_string()))?;
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
