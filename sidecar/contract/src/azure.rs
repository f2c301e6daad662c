//! Azure's clouds, and Entra audiences and authorities.

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use url::{Host, Url};

use crate::{
    ClientId, InvalidValue,
    address::{VERIFIABLE_HOST, is_verifiable},
};

/// One of Azure's clouds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cloud {
    /// The public cloud; Microsoft's image also calls it `Prod`.
    #[default]
    AzurePublic,
    /// The cloud of the government of the United States.
    AzureGovernment,
    /// The cloud in China, run by 21Vianet.
    AzureChina,
    /// Any other: audience and authority must be given.
    Custom,
    /// Microsoft's own test environment, whose names are not public.
    Int,
}

/// Every accepted spelling, in lower case and without `_` and `-`.
const CLOUDS: [(&str, Cloud); 15] = [
    ("azurepublic", Cloud::AzurePublic),
    ("prod", Cloud::AzurePublic),
    ("public", Cloud::AzurePublic),
    ("azurepubliccloud", Cloud::AzurePublic),
    ("azurecloud", Cloud::AzurePublic),
    ("azuregovernment", Cloud::AzureGovernment),
    ("azureusgovernment", Cloud::AzureGovernment),
    ("azureusgovernmentcloud", Cloud::AzureGovernment),
    ("usgovernment", Cloud::AzureGovernment),
    ("azurechina", Cloud::AzureChina),
    ("azurechinacloud", Cloud::AzureChina),
    ("china", Cloud::AzureChina),
    ("custom", Cloud::Custom),
    ("azurecustom", Cloud::Custom),
    ("int", Cloud::Int),
];

impl Cloud {
    /// The cloud's name as this product writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AzurePublic => "AzurePublic",
            Self::AzureGovernment => "AzureGovernment",
            Self::AzureChina => "AzureChina",
            Self::Custom => "Custom",
            Self::Int => "INT",
        }
    }

    /// The audience of an ingestion token, unless one is given; `None` where one must be
    /// given. The double slash is intentional: the resource is
    /// `https://monitor.azure.com/`, with its slash.
    ///
    /// <https://github.com/prometheus/prometheus/blob/main/storage/remote/azuread/azuread.go>
    pub fn audience(self) -> Option<Audience> {
        self.scope().map(|scope| Audience(scope.to_owned()))
    }

    /// Whether `audience` is the one that needs not be given.
    pub(crate) fn is_audience(self, audience: &Audience) -> bool {
        self.scope() == Some(audience.scope())
    }

    const fn scope(self) -> Option<&'static str> {
        match self {
            Self::AzurePublic | Self::Int => Some("https://monitor.azure.com//.default"),
            Self::AzureGovernment => Some("https://monitor.azure.us//.default"),
            Self::AzureChina => Some("https://monitor.azure.cn//.default"),
            Self::Custom => None,
        }
    }

    /// The authority that issues tokens, unless one is given; `None` where one
    /// must be given (to an identity that asks it).
    ///
    /// <https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud>
    pub fn authority(self) -> Option<AuthorityHost> {
        self.authority_address().map(|address| AuthorityHost(address.to_owned()))
    }

    /// Whether `host` is the authority that needs not be given.
    pub(crate) fn is_authority(self, host: &AuthorityHost) -> bool {
        self.authority_address() == Some(host.as_str())
    }

    const fn authority_address(self) -> Option<&'static str> {
        match self {
            Self::AzurePublic | Self::Int => Some("https://login.microsoftonline.com"),
            Self::AzureGovernment => Some("https://login.microsoftonline.us"),
            Self::AzureChina => Some("https://login.partner.microsoftonline.cn"),
            Self::Custom => None,
        }
    }
}

impl FromStr for Cloud {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let key: String =
            text.chars().filter(|c| !matches!(c, '_' | '-')).collect::<String>().to_lowercase();
        CLOUDS.iter().find(|(name, _)| *name == key).map(|(_, cloud)| *cloud).ok_or_else(|| {
            let names = ["AzurePublic", "AzureGovernment", "AzureChina", "Custom", "INT"];
            InvalidValue::one_of(text, &names)
        })
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The audience of a token, as the scope that is asked for: it ends in
/// `/.default`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience(String);

/// The audiences of queries, without the slash at the end; an ingestion endpoint
/// refuses their tokens.
///
/// <https://learn.microsoft.com/azure/azure-monitor/metrics/prometheus-api-promql>
const QUERY_AUDIENCES: [&str; 3] = [
    "https://prometheus.monitor.azure.com",
    "https://prometheus.monitor.azure.us",
    "https://prometheus.monitor.azure.cn",
];

/// What turns a resource into a scope.
const DEFAULT_SCOPE: &str = "/.default";

impl Audience {
    /// The scope, with `/.default`.
    pub fn scope(&self) -> &str {
        &self.0
    }

    /// The resource: the scope without `/.default`, as IMDS wants it and as a
    /// token's `aud` claim names it.
    pub fn resource(&self) -> &str {
        self.0.strip_suffix(DEFAULT_SCOPE).unwrap_or(&self.0)
    }

    /// Whether it is the audience of queries, not of ingestion.
    pub fn is_for_queries(&self) -> bool {
        let resource = self.resource().trim_end_matches('/');
        QUERY_AUDIENCES.iter().any(|known| known.eq_ignore_ascii_case(resource))
    }
}

impl FromStr for Audience {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let resource = text.strip_suffix(DEFAULT_SCOPE).unwrap_or(text);
        let known = ["https://", "api://"].iter().any(|scheme| {
            resource.strip_prefix(scheme).is_some_and(|rest| !rest.trim_matches('/').is_empty())
        });
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        if printable && (known || resource.parse::<ClientId>().is_ok()) {
            Ok(Self(format!("{resource}{DEFAULT_SCOPE}")))
        } else {
            Err(InvalidValue::expected(
                "a resource such as https://monitor.azure.com/, with or without /.default",
            ))
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The host that issues tokens, reached over https only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityHost(String);

impl AuthorityHost {
    /// Its base address, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AuthorityHost {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match base_url(text) {
            Some(url) if url.scheme() == "https" && !is_verifiable(&url) => {
                Err(InvalidValue::expected(VERIFIABLE_HOST))
            }
            Some(url) if url.scheme() == "https" => Ok(Self(without_slash(&url))),
            _ => Err(InvalidValue::expected(
                "an https:// address such as https://login.microsoftonline.com",
            )),
        }
    }
}

impl fmt::Display for AuthorityHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the instance metadata service answers, if not at its own address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataHost(Url);

impl MetadataHost {
    /// Its base address.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for MetadataHost {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match base_url(text) {
            Some(url) if url.scheme() == "https" && !is_verifiable(&url) => {
                Err(InvalidValue::expected(VERIFIABLE_HOST))
            }
            Some(url) => Ok(Self(url)),
            None => Err(InvalidValue::expected(
                "an http:// or https:// address such as http://169.254.169.254",
            )),
        }
    }
}

impl fmt::Display for MetadataHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_slash(&self.0))
    }
}

/// The endpoint by which App Service and Container Apps give tokens to the managed
/// identities of an app. Both set it in the environment, with the secret that
/// proves that the app asks.
///
/// <https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference>
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityEndpoint {
    url: Url,
    secret: String,
}

/// Prints no secret.
impl fmt::Debug for IdentityEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IdentityEndpoint").field(&self.url.as_str()).finish()
    }
}

impl IdentityEndpoint {
    /// The endpoint at `address`, which wants to see `secret`.
    ///
    /// # Errors
    /// The address is none, or has a user in it.
    pub fn new(address: &str, secret: impl Into<String>) -> Result<Self, InvalidValue> {
        let url = Url::parse(address).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.username().is_empty()
                && url.password().is_none()
                && (url.scheme() == "http" || is_verifiable(url))
        });
        let expected = "the http:// or https:// address that App Service or Container Apps set";
        let url = url.ok_or_else(|| InvalidValue::expected(expected))?;
        Ok(Self { url, secret: secret.into() })
    }

    /// Its address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What the header `X-IDENTITY-HEADER` must say.
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

fn without_slash(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// An http or https address of a host alone: no user, path, query or fragment.
fn base_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.path().trim_matches('/').is_empty()
        && matches!(url.scheme(), "http" | "https")
        && url.host().is_some_and(|host| host != Host::Domain(""));
    plain.then_some(url)
}
