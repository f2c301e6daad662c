//! Who is asked for tokens.

use contract::TokenProxy;
use url::Url;

/// Who is asked for tokens.
#[derive(Clone, Debug)]
pub(super) enum TokenService {
    /// The instance metadata service, at another address if one is given. It is on this
    /// very node: no forward proxy is used.
    Imds(Option<Url>),
    /// The endpoint of App Service or Container Apps: `IDENTITY_ENDPOINT`.
    Platform,
    /// Entra, or another authority.
    Entra,
    /// The proxy of an identity binding, in Entra's place.
    TokenProxy(TokenProxy),
}

impl TokenService {
    /// What messages call it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Imds(_) => "the instance metadata service (IMDS)",
            Self::Platform => "the platform's identity endpoint (IDENTITY_ENDPOINT)",
            Self::Entra => "Entra",
            Self::TokenProxy(_) => "the token proxy of the identity binding",
        }
    }
}
