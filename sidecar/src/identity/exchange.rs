//! One attempt to get a token, by a credential of `azure_identity`.
//!
//! What is `azure_identity`'s: the requests to the instance metadata service and to
//! Entra, and the trait of an assertion. What is ours, and why:
//!
//! * the transport below it, which ends each attempt after one request: its own
//!   repeats for up to 72 s whatever the options say (`transport`);
//! * the reading of refusals, of which it loses status and code (`failure`), and of
//!   forms of a granted token that it does not know (`granted`);
//! * the request to the endpoint of App Service and Container Apps
//!   ([`Exchange::platform_token`]): it takes a Container App for Service Fabric,
//!   because of `IDENTITY_SERVER_THUMBPRINT`, and refuses;
//! * certificates: its own need OpenSSL, and read no RC2 (`certificate`,
//!   `assertion`).
//!
//! `azure_identity` looks at the process' environment itself, and refuses to work
//! where `MSI_ENDPOINT` or Azure Arc's variables are set. That is left as it is, and
//! explained.

use std::sync::Arc;

use azure_core::{
    cloud::{CloudConfiguration, CustomConfiguration},
    credentials::{AccessToken, TokenCredential},
    http::{ClientOptions, HttpClient, Method, Request, Transport as AzureTransport},
};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};
use contract::{Audience, AuthorityHost, ClientId, Identity, IdentityEndpoint, TenantId};
use url::Url;

use super::{
    failure::Failure,
    fetch_error::{FetchError, FetchErrorKind},
    granted,
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
    audience: Audience,
    transport: Arc<Transport>,
}

impl Exchange {
    /// For tokens of `audience`; `identity` is named in explanations.
    pub(super) fn new(identity: Identity, audience: &Audience, transport: Arc<Transport>) -> Self {
        Self { identity, audience: audience.clone(), transport }
    }

    /// A token for an identity of an app in App Service or Container Apps, or for
    /// the app's own.
    ///
    /// <https://learn.microsoft.com/azure/container-apps/managed-identity#rest-endpoint-reference>
    pub(super) async fn platform_token(
        &self,
        endpoint: &IdentityEndpoint,
        client_id: Option<&ClientId>,
    ) -> Result<Token, FetchError> {
        const API_VERSION: &str = "2019-08-01";
        let mut url = endpoint.url().clone();
        url.query_pairs_mut()
            .append_pair("api-version", API_VERSION)
            .append_pair("resource", self.audience.resource())
            .extend_pairs(client_id.map(|id| ("client_id", id.as_str())));
        let mut request = Request::new(url, Method::Get);
        request.insert_header("x-identity-header", endpoint.secret().to_owned());
        let answer = match self.transport.execute_request(&request).await {
            Ok(response) => response.into_body().collect().await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(body) => Self::taken(granted::token(&body)),
            Err(error) => Err(self.explain(&error)),
        }
    }

    /// A token for an identity of the node, or for the node's own.
    pub(super) async fn managed_identity_token(
        &self,
        client_id: Option<&ClientId>,
    ) -> Result<Token, FetchError> {
        let user_assigned_id = client_id.map(|id| UserAssignedId::ClientId(id.as_str().to_owned()));
        let client_options = self.client_options(None);
        let options = ManagedIdentityCredentialOptions { user_assigned_id, client_options };
        let credential = ManagedIdentityCredential::new(Some(options)).map_err(|error| {
            FetchError::lasting(
                FetchErrorKind::Other,
                format!(
                    "cannot use the managed identity: {error}; remove IDENTITY_ENDPOINT, IMDS_ENDPOINT, MSI_ENDPOINT and MSI_SECRET from the pod's environment, unless the platform sets them"
                ),
            )
        })?;
        self.ask(credential.as_ref()).await
    }

    /// A token for what `assertion` proves.
    pub(super) async fn client_assertion_token(
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

    /// Connects to the server at `url`, without a request.
    pub(super) async fn reach(&self, url: &Url) -> Result<(), FetchError> {
        self.transport.reach(url).await.map_err(|failure| self.explain_failure(&failure))
    }

    async fn ask(&self, credential: &dyn TokenCredential) -> Result<Token, FetchError> {
        match credential.get_token(&[self.audience.scope()], None).await {
            Ok(token) => Self::taken(Some(token)),
            Err(error) => Err(self.explain(&error)),
        }
    }

    fn taken(token: Option<AccessToken>) -> Result<Token, FetchError> {
        let other = |what: &str| FetchError::lasting(FetchErrorKind::Other, what);
        let token = token.ok_or_else(|| other("the answer has an unknown form"))?;
        Token::new(&token)
            .ok_or_else(|| other("the token that was issued cannot be part of a header"))
    }

    fn explain(&self, error: &azure_core::Error) -> FetchError {
        match Failure::within(error) {
            Some(failure) => self.explain_failure(failure),
            // Its text may quote the answer, and so the token.
            None => FetchError::lasting(
                FetchErrorKind::Other,
                "the answer has a form that azure_identity does not know",
            ),
        }
    }

    fn explain_failure(&self, failure: &Failure) -> FetchError {
        FetchError::explain(failure, &self.identity, &self.transport.service)
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
