//! The forward proxy on the way to Azure.

use std::fmt;

use url::Url;

use crate::Rejected;

/// A forward proxy, and what is reached without it.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    address: Url,
    exceptions: String,
}

impl Proxy {
    /// Reads `HTTPS_PROXY` (`http://[user:password@]host:port`; the scheme may
    /// be left out) and `NO_PROXY` (names, `.suffixes`, addresses, networks,
    /// `*`; comma separated).
    pub fn new(address: &str, exceptions: &str) -> Result<Self, Rejected> {
        let whole =
            if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        match Url::parse(&whole) {
            Ok(address) if address.scheme() == "http" && address.host().is_some() => {
                Ok(Self { address, exceptions: exceptions.to_owned() })
            }
            _ => Err(Rejected::expected("a proxy's address such as http://proxy.example:3128")),
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
    use super::*;

    #[test]
    fn a_password_is_not_printed() {
        let proxy = Proxy::new("http://user:secret@proxy.example:3128", "").unwrap();
        assert!(!format!("{proxy:?}").contains("secret"));
        assert!(Proxy::new("socks5://proxy.example", "").is_err());
        assert!(Proxy::new("", "").is_err());
    }
}
