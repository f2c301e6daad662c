//! One attempt to get a token, for whichever identity.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use azure_core::{
    cloud::{CloudConfiguration, CustomConfiguration},
    credentials::TokenCredential,
    error::Error,
    http::{ClientMethodOptions, ClientOptions, Transport as AzureTransport},
};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};
use contract::{AuthorityHost, ClientId, Identity, Settings, TenantId, names::env};

use super::{
    application::{Application, Reload},
    assertion::Signer,
    certificate::{Certificate, Summary},
    failure::Failure,
    fetch_error::{FetchError, FetchErrorKind},
    refusal::Refusal,
    token::Token,
    transport::{Peer, Transport},
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
pub struct Issuer {
    identity: Identity,
    scope: String,
    source: Source,
    transport: Arc<Transport>,
    now: fn() -> SystemTime,
}

/// What an identity shows to get a token.
enum Source {
    /// Nothing: being on the node is enough.
    Node { client_id: Option<ClientId> },
    /// An assertion that it signs itself.
    Application { registration: Registration, files: Application, send_chain: bool },
    /// An assertion that the cluster has signed.
    Federated { registration: Registration, token_file: PathBuf },
}

/// Which principal of which tenant.
struct Registration {
    client_id: ClientId,
    tenant_id: TenantId,
    authority: AuthorityHost,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("identity", &self.identity)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl Issuer {
    /// An issuer for the identity and audience of `settings`. Files are not
    /// looked at: that they are missing is for [`Self::fetch`] to say.
    pub fn new(
        settings: &Settings,
        tls: Arc<rustls::ClientConfig>,
        now: fn() -> SystemTime,
    ) -> Result<Self, SetupError> {
        let authority = || settings.authority_host.clone().ok_or(SetupError::NoAuthority);
        let (source, peer) = match settings.identity.clone() {
            Identity::SystemAssigned => (Source::Node { client_id: None }, None),
            Identity::UserAssigned { client_id } => {
                (Source::Node { client_id: Some(client_id) }, None)
            }
            Identity::AadApplication { client_id, tenant_id, certificate } => {
                let registration = Registration { client_id, tenant_id, authority: authority()? };
                let files = Application::new(&certificate);
                let send_chain = certificate.send_chain;
                (Source::Application { registration, files, send_chain }, Some(Peer::Authority))
            }
            Identity::WorkloadIdentity { client_id, tenant_id, token_file } => {
                let registration = Registration { client_id, tenant_id, authority: authority()? };
                (Source::Federated { registration, token_file }, Some(Peer::Authority))
            }
        };
        let metadata = || settings.metadata_host.as_ref().map(|host| host.url().clone());
        let peer = peer.unwrap_or_else(|| Peer::Metadata(metadata()));
        Ok(Self {
            identity: settings.identity.clone(),
            scope: settings.audience.scope().to_owned(),
            source,
            transport: Transport::new(peer, tls, now),
            now,
        })
    }

    /// One attempt to get a new token. It takes some 20 s at most; where a new
    /// certificate is refused and an older one is tried, twice that.
    pub async fn fetch(&mut self) -> Result<Token, FetchError> {
        self.reload();
        match &self.source {
            Source::Node { client_id } => self.ask(self.managed(client_id.as_ref())).await,
            Source::Federated { registration, token_file } => {
                let assertion = ServiceAccountToken(read_token(token_file)?);
                self.ask(self.asserted(registration, assertion)).await
            }
            Source::Application { .. } => self.fetch_signed().await,
        }
    }

    /// Looks whether the certificate's file has changed: for calling every few
    /// seconds. A change is worth an early [`Self::fetch`].
    pub fn reload(&mut self) -> Reload {
        match &mut self.source {
            Source::Application { files, .. } => files.reload(),
            Source::Node { .. } | Source::Federated { .. } => Reload::Unchanged,
        }
    }

    /// The certificate that the next assertion is signed with, if the identity
    /// has one and it could be read.
    pub fn certificate(&self) -> Option<Summary> {
        match &self.source {
            Source::Application { files, .. } => {
                files.current().ok().map(|certificate| certificate.summary.clone())
            }
            Source::Node { .. } | Source::Federated { .. } => None,
        }
    }

    /// When that certificate ends.
    pub fn certificate_expiry(&self) -> Option<SystemTime> {
        self.certificate().map(|summary| summary.not_after)
    }

    async fn fetch_signed(&mut self) -> Result<Token, FetchError> {
        let Source::Application { files, .. } = &self.source else {
            return Err(FetchError::lasting(
                FetchErrorKind::Other,
                "the identity has no certificate",
            ));
        };
        let current = files.current().map_err(|trouble| {
            FetchError::lasting(FetchErrorKind::Certificate, format!("no certificate: {trouble}"))
        })?;
        let previous = files.previous();
        match (self.ask_signed(Arc::clone(&current)).await, previous) {
            (Ok(token), _) => {
                if let Source::Application { files, .. } = &mut self.source {
                    files.prove();
                }
                Ok(token)
            }
            (Err(refused), Some(previous)) if concerns_certificate(&refused) => {
                let token = self.ask_signed(Arc::clone(&previous)).await;
                if token.is_ok() {
                    tracing::warn!(
                        new = %current.summary, old = %previous.summary, %refused,
                        "Entra refuses the new certificate: the old one is used"
                    );
                }
                token.map_err(|_| refused)
            }
            (Err(refused), _) => Err(self.with_certificate(refused, &current)),
        }
    }

    async fn ask_signed(&self, certificate: Arc<Certificate>) -> Result<Token, FetchError> {
        let Source::Application { registration, send_chain, .. } = &self.source else {
            return Err(FetchError::lasting(
                FetchErrorKind::Other,
                "the identity has no certificate",
            ));
        };
        let Registration { client_id, tenant_id, authority } = registration;
        let signer = Signer::new(
            certificate,
            client_id.clone(),
            tenant_id,
            authority,
            *send_chain,
            self.now,
        );
        self.ask(self.asserted(registration, signer)).await
    }

    /// A refusal, with what explains it about the certificate.
    fn with_certificate(&self, refused: FetchError, used: &Certificate) -> FetchError {
        if !concerns_certificate(&refused) {
            return refused;
        }
        let refused = refused.and(&format!("the certificate used is {}", used.summary));
        let now = (self.now)();
        let refused = if used.summary.not_after < now {
            refused.and("it has expired")
        } else if now < used.summary.not_before {
            refused.and("it is not valid yet")
        } else {
            refused
        };
        match &self.source {
            Source::Application { files, .. } => match files.trouble() {
                Some(trouble) => refused.and(&format!("a newer one cannot be used: {trouble}")),
                None => refused,
            },
            Source::Node { .. } | Source::Federated { .. } => refused,
        }
    }

    async fn ask(
        &self,
        credential: azure_core::Result<Arc<dyn TokenCredential>>,
    ) -> Result<Token, FetchError> {
        let credential = credential.map_err(|error| self.explain(&error))?;
        let token = credential.get_token(&[&self.scope], None).await;
        let token = token.map_err(|error| self.explain(&error))?;
        Token::new(&token).ok_or_else(|| {
            FetchError::lasting(
                FetchErrorKind::Other,
                "got a token that cannot be part of a header",
            )
        })
    }

    fn managed(&self, id: Option<&ClientId>) -> azure_core::Result<Arc<dyn TokenCredential>> {
        let user_assigned_id = id.map(|id| UserAssignedId::ClientId(id.as_str().to_owned()));
        let options = ManagedIdentityCredentialOptions {
            user_assigned_id,
            client_options: self.client_options(None),
        };
        Ok(ManagedIdentityCredential::new(Some(options))?)
    }

    fn asserted(
        &self,
        registration: &Registration,
        assertion: impl ClientAssertion + 'static,
    ) -> azure_core::Result<Arc<dyn TokenCredential>> {
        let client_options = self.client_options(Some(&registration.authority));
        Ok(ClientAssertionCredential::new(
            registration.tenant_id.as_str().to_owned(),
            registration.client_id.as_str().to_owned(),
            assertion,
            Some(ClientAssertionCredentialOptions { client_options }),
        )?)
    }

    fn client_options(&self, authority: Option<&AuthorityHost>) -> ClientOptions {
        let cloud = authority.map(|authority| {
            let mut cloud = CustomConfiguration::default();
            authority.as_str().clone_into(&mut cloud.authority_host);
            Arc::new(CloudConfiguration::Custom(cloud))
        });
        let transport = Some(AzureTransport::new(self.transport.clone()));
        ClientOptions { transport, cloud, ..ClientOptions::default() }
    }

    fn explain(&self, error: &Error) -> FetchError {
        match Failure::within(error) {
            Some(failure) => FetchError::explain(failure, &self.identity),
            None => FetchError::lasting(FetchErrorKind::Other, "cannot ask for a token"),
        }
    }
}

/// Whether another certificate might be accepted.
fn concerns_certificate(error: &FetchError) -> bool {
    error.code.and_then(Refusal::of).is_some_and(|refusal| refusal.by_certificate)
}

/// The service account token, without the line's end that an editor may leave.
fn read_token(path: &Path) -> Result<String, FetchError> {
    let cannot = |reason: String| {
        let what = format!(
            "cannot use the service account token of {}={}: {reason}",
            env::AZURE_FEDERATED_TOKEN_FILE,
            path.display()
        );
        FetchError::lasting(FetchErrorKind::TokenFile, what)
    };
    let text = fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
    match text.trim() {
        "" => Err(cannot("the file is empty".to_owned())),
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
