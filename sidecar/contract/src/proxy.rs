//! The forward proxy on the way to Azure.

use std::fmt;

use url::Url;

use crate::{InvalidValue, without_userinfo};

/// A forward proxy, and what is reached without it.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    address: Url,
    exceptions: String,
}

/// Shown in place of what may be a password.
const HIDDEN: &str = "…";

impl Proxy {
    /// Reads `HTTPS_PROXY` (`http://[user:password@]host:port`; the scheme may
    /// be left out) and `NO_PROXY` (names, `.suffixes`, addresses, networks,
    /// `*`; comma separated).
    ///
    /// # Errors
    /// Anything else, a path or a query too: where one seems to be there, a `/`,
    /// `?` or `#` of the password ended the host, and the host is wrong.
    pub fn new(address: &str, exceptions: &str) -> Result<Self, InvalidValue> {
        let whole =
            if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        match Url::parse(&whole) {
            Ok(address) if is_bare(&address) => {
                Ok(Self { address, exceptions: exceptions.to_owned() })
            }
            _ if is_https(address) => Err(InvalidValue::expected(
                "a proxy's address such as http://proxy.example:3128, with http and not https: the connection to the proxy is without TLS, and what goes through it to Azure has TLS of its own",
            )),
            _ if address.contains('@') => Err(InvalidValue::expected(
                "a proxy's address such as http://user:password@proxy.example:3128, with special characters of user and password percent-encoded",
            )),
            _ => Err(InvalidValue::expected("a proxy's address such as http://proxy.example:3128")),
        }
    }

    /// `address`, which [`Proxy::new`] refused, as a message may show it: without
    /// what is, or may be, user and password.
    pub fn shown(address: &str) -> String {
        if address.contains('@') {
            return without_userinfo(address).into_owned();
        }
        let scheme = ["http://", "https://"].iter().find(|scheme| address.starts_with(**scheme));
        let authority = scheme.map_or(address, |scheme| address.trim_start_matches(scheme));
        match authority.split_once(':') {
            // "user:password", with the host forgotten.
            Some((_, port)) if !authority.starts_with('[') && !is_port(port) => {
                address.trim_end_matches(port).to_owned() + HIDDEN
            }
            _ => address.to_owned(),
        }
    }

    /// The proxy's address, with a user's name and password if it has them: a
    /// secret.
    pub fn address(&self) -> &Url {
        &self.address
    }

    /// What is reached without it, as it was given.
    pub fn exceptions(&self) -> &str {
        &self.exceptions
    }
}

fn is_bare(address: &Url) -> bool {
    address.scheme() == "http"
        && address.host().is_some()
        && address.path() == "/"
        && address.query().is_none()
        && address.fragment().is_none()
}

fn is_https(address: &str) -> bool {
    address.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
}

fn is_port(text: &str) -> bool {
    text.trim_end_matches('/').bytes().all(|byte| byte.is_ascii_digit())
}

/// Prints no password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("host", &self.address.host_str())
            .field("port", &self.address.port_or_known_default())
            .field("exceptions", &self.exceptions)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses() {
        for good in ["proxy.example", "http://proxy.example:3128/", "user:p%40ss@[::1]:1", "a:b@c"]
        {
            let proxy = Proxy::new(good, "").unwrap();
            assert!(!format!("{proxy:?}").contains("p%40ss"));
        }
        for (bad, shown) in [
            ("", ""),
            ("https://proxy.example", "https://proxy.example"),
            ("proxy:99999", "proxy:99999"),
            ("http://proxy/path", "http://proxy/path"),
            ("socks5://proxy.example", "socks5:…"),
            ("http://user:s3cret", "http://user:…"),
        ] {
            assert!(Proxy::new(bad, "").is_err(), "{bad}");
            assert_eq!(Proxy::shown(bad), shown);
        }
        for https in ["https://proxy.example:3129", "HTTPS://user:s3cret@proxy.example"] {
            let rejected = Proxy::new(https, "").unwrap_err();
            assert!(rejected.expected.contains("http and not https"), "{}", rejected.expected);
        }
    }

    proptest! {
        #[test]
        fn no_password_is_shown(
            before in "(|http:|http:/|http://|https://|user:|http://user:)[0-9]{0,3}[@#/?:%\\\\ \\[\\]]{0,2}",
            after in "[@#/?:%\\\\ \\[\\]]{0,2}(@proxy.example(|:3128|:99999|:x)|)",
            schemeless in any::<bool>(),
        ) {
            // Otherwise it is the host.
            prop_assume!(after.contains('@') || !before.contains('@'));
            let address = format!("{}user:{before}s3cret{after}", if schemeless { "" } else { "http://" });
            let shown = match Proxy::new(&address, "") {
                Ok(proxy) => {
                    let host = proxy.address().host_str().unwrap_or_default().to_owned();
                    format!("{proxy:?} {host}")
                }
                Err(rejected) => rejected.at("HTTPS_PROXY", Proxy::shown(&address)).to_string(),
            };
            prop_assert!(!shown.contains("s3cret"), "{address}: {shown}");
        }
    }
}
