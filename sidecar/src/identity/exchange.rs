//! One credential of `azure_identity`, asked once.
//!
//! `azure_identity` looks at the process' environment itself: it asks another
//! service than IMDS for a managed identity where `IDENTITY_ENDPOINT` and
//! `IDENTITY_HEADER` are set (App Service and Container Apps, where it is
//! right), and refuses to work where `MSI_ENDPOINT` or Azure Arc's variables
//! are. That is left as it is, and explained.

use std::sync::Arc;

use azure_core::{
    cloud::{CloudConfiguration, CustomConfiguration},
    credentials::TokenCredential,
    http::{ClientOptions, Transport as AzureTransport},
};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};
use contract::{Audience, AuthorityHost, ClientId, Identity, TenantId};

use super::{
    failure::Failure,
    fetch_error::{FetchError, FetchErrorKind},
    token::Token,
    transport::Transport,
};

/// Which principal of which tenant, known to which authority.
#[derive(Clone, Debug)]
pub(super) struct Registration {
    pub(super) client_id: ClientId,
    pub(super) tenant_id: TenantId,
    pub(super) authority: AuthorityHost,
}

/// Gets tokens for one audience in return for what an identity shows.
#[derive(Debug)]
pub(super) struct Exchange {
    identity: Identity,
    scope: String,
    transport: Arc<Transport>,
}

impl Exchange {
    /// For tokens of `audience`; `identity` is named in explanations.
    pub(super) fn new(identity: Identity, audience: &Audience, transport: Arc<Transport>) -> Self {
        Self { identity, scope: audience.scope().to_owned(), transport }
    }

    /// A token for an identity of the node, or for the node's own.
    pub(super) async fn by_node(&self, client_id: Option<&ClientId>) -> Result<Token, FetchError> {
        let user_assigned_id = client_id.map(|id| UserAssignedId::ClientId(id.as_str().to_owned()));
        let client_options = self.client_options(None);
        let options = ManagedIdentityCredentialOptions { user_assigned_id, client_options };
        let credential = ManagedIdentityCredential::new(Some(options)).map_err(|error| {
            FetchError::lasting(
                FetchErrorKind::Other,
                format!(
                    "cannot use the managed identity: {error}; remove IDENTITY_ENDPOINT, IMDS_ENDPOINT, IDENTITY_SERVER_THUMBPRINT, MSI_ENDPOINT and MSI_SECRET from the pod's environment"
                ),
            )
        })?;
        self.ask(credential.as_ref()).await
    }

    /// A token for what `assertion` proves.
    pub(super) async fn by_assertion(
        &self,
        registration: &Registration,
        assertion: impl ClientAssertion,
    ) -> Result<Token, FetchError> {
        let client_options = self.client_options(Some(&registration.authority));
        let credential = ClientAssertionCredential::new(
            registration.tenant_id.as_str().to_owned(),
            registration.client_id.as_str().to_owned(),
            assertion,
            Some(ClientAssertionCredentialOptions { client_options }),
        )
        .map_err(|error| {
            FetchError::lasting(FetchErrorKind::Other, format!("cannot ask Entra: {error}"))
        })?;
        self.ask(credential.as_ref()).await
    }

    async fn ask(&self, credential: &dyn TokenCredential) -> Result<Token, FetchError> {
        let other = |what: &str| FetchError::lasting(FetchErrorKind::Other, what);
        let answer = credential.get_token(&[&self.scope], None).await;
        let token = answer.map_err(|error| match Failure::within(&error) {
            Some(failure) => FetchError::explain(failure, &self.identity),
            // Its text may quote the answer, and so the token.
            None => other("got an answer of a form that azure_identity does not know"),
        })?;
        Token::new(&token).ok_or_else(|| other("got a token that cannot be part of a header"))
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
}
