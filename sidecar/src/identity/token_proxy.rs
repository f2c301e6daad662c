//! The proxy of an identity binding: where a request for Entra goes instead, and how
//! its certificate is verified.
//!
//! The rules are those of Azure's SDKs, such as `internal/customtokenproxy` of Go's
//! azidentity 1.15, but for one: no forward proxy is used, whatever `HTTPS_PROXY` says,
//! since this one is in the cluster.

use contract::{TokenProxy, TokenProxyAuthority, names::env};
use url::Url;

use super::failure::Failure;
use crate::{dial::Dialer, trust::Trust};

/// The dialer that trusts the proxy's authority as it is now: a file is read each time,
/// because it changes with the cluster's CA.
pub(super) async fn verifying(dialer: &Dialer, proxy: &TokenProxy) -> Result<Dialer, Failure> {
    let trust = match &proxy.authority {
        None => return Ok(dialer.clone()),
        Some(TokenProxyAuthority::Data(pem)) => {
            Trust::in_pem(pem.as_str().as_bytes(), env::AZURE_KUBERNETES_CA_DATA.to_owned())
        }
        Some(TokenProxyAuthority::File(path)) => {
            let place = format!("{}={}", env::AZURE_KUBERNETES_CA_FILE, path.display());
            let pem = tokio::fs::read(path)
                .await
                .map_err(|error| Failure::NoRoots { reason: format!("read {place}: {error}") })?;
            Trust::in_pem(&pem, place)
        }
    };
    let trust = trust.map_err(|error| Failure::NoRoots { reason: error.to_string() })?;
    Ok(dialer.trusting(trust))
}

/// Where a request for `url` goes: its path is appended to the proxy's.
pub(super) fn in_place_of(url: &Url, proxy: &TokenProxy) -> Url {
    let mut instead = proxy.address.url().clone();
    let path = format!("{}{}", instead.path().trim_end_matches('/'), url.path());
    instead.set_path(&path);
    instead.set_query(url.query());
    instead
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_appended() {
        let check = |address: &str, expected: &str| {
            let address = address.parse().unwrap();
            let proxy = TokenProxy { address, server_name: None, authority: None };
            let url = "https://login.example/tenant/oauth2/v2.0/token?a=b%2Fc".parse().unwrap();
            assert_eq!(in_place_of(&url, &proxy).as_str(), expected);
        };
        let path = "/tenant/oauth2/v2.0/token?a=b%2Fc";
        check("https://proxy.example", &format!("https://proxy.example{path}"));
        check("https://[::1]:8443/x/", &format!("https://[::1]:8443/x{path}"));
    }
}
