//! The proxy of an identity binding, which gives tokens in Entra's place.
//!
//! Identity bindings are a preview of AKS: one federated credential serves every
//! cluster and service account that a managed identity is bound to. The variables are
//! those that azure-workload-identity's webhook sets, and the rules those of Azure's
//! SDKs, such as `internal/customtokenproxy` of Go's azidentity 1.15:
//! <https://learn.microsoft.com/azure/aks/identity-bindings-concepts>

use std::{fmt, path::PathBuf, str::FromStr};

use url::{Host, Url};

use crate::{
    InvalidValue,
    address::{is_verifiable, is_verifiable_name},
    names::env,
    settings::path_text,
    text::checked_text,
};

/// Who is asked for tokens in Entra's place, and how its certificate is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenProxy {
    /// Its address.
    pub address: TokenProxyAddress,
    /// The name that TLS asks for and verifies; that of the address without it.
    pub server_name: Option<ServerName>,
    /// Whose certificates are trusted; those that the sidecar trusts elsewhere without
    /// them.
    pub authority: Option<TokenProxyAuthority>,
}

/// Who has signed the certificate of a [`TokenProxy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenProxyAuthority {
    /// A file in PEM, read anew at each request.
    File(PathBuf),
    /// The PEM itself.
    Data(Pem),
}

impl TokenProxy {
    /// The variables that can say so.
    pub const VARIABLES: [&str; 4] = [
        env::AZURE_KUBERNETES_TOKEN_PROXY,
        env::AZURE_KUBERNETES_SNI_NAME,
        env::AZURE_KUBERNETES_CA_FILE,
        env::AZURE_KUBERNETES_CA_DATA,
    ];

    /// The variables that say so.
    pub(crate) fn to_env(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![(env::AZURE_KUBERNETES_TOKEN_PROXY, self.address.to_string())];
        let name = self.server_name.as_ref();
        variables.extend(name.map(|name| (env::AZURE_KUBERNETES_SNI_NAME, name.to_string())));
        variables.extend(self.authority.as_ref().map(|authority| match authority {
            TokenProxyAuthority::File(path) => (env::AZURE_KUBERNETES_CA_FILE, path_text(path)),
            TokenProxyAuthority::Data(pem) => (env::AZURE_KUBERNETES_CA_DATA, pem.to_string()),
        }));
        variables
    }

    /// What looks wrong: in AKS, the API server's own address leads to the proxy only
    /// by the name that TLS asks for.
    pub(crate) fn warning(&self) -> Option<String> {
        let host = self.address.url().host_str().unwrap_or_default();
        (self.server_name.is_none() && is_api_server(host)).then(|| {
            format!(
                "{}={} without {}: the API server answers there, and not the proxy of AKS",
                env::AZURE_KUBERNETES_TOKEN_PROXY,
                self.address,
                env::AZURE_KUBERNETES_SNI_NAME
            )
        })
    }
}

/// Whether pods of every cluster reach the API server by this name.
fn is_api_server(host: &str) -> bool {
    host == "kubernetes"
        || host == "kubernetes.default"
        || host.starts_with("kubernetes.default.svc")
}

/// Where a [`TokenProxy`] is: reached over https only, perhaps with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenProxyAddress(Url);

impl TokenProxyAddress {
    /// The address, without a slash at its end. To its path that of a request is
    /// appended.
    pub const fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for TokenProxyAddress {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let url = Url::parse(text).ok().filter(|url| {
            url.scheme() == "https"
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
                && url.host().is_some_and(|host| host != Host::Domain(""))
                && is_verifiable(url)
        });
        let mut url = url.ok_or_else(|| {
            InvalidValue::expected(
                "an https:// address such as https://kubernetes.default.svc, without user, query and fragment",
            )
        })?;
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }
}

impl fmt::Display for TokenProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

checked_text!(
    /// The name by which TLS asks for a server.
    ServerName,
    is_verifiable_name,
    "a DNS name, no part of which is longer than 63 characters"
);

checked_text!(
    /// Certificates in PEM. Whether they can be read is for whoever uses them to see.
    Pem,
    |text| text.contains("-----BEGIN CERTIFICATE-----"),
    "certificates in PEM, which begin with -----BEGIN CERTIFICATE-----"
);
