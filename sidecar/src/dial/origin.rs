//! Where a connection goes to: the scheme, host and port of a URL (RFC 6454).

use std::net::IpAddr;

use url::{Host, Url};

use super::proxy::authority;

/// Where a connection goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Whether it is spoken to with TLS.
    pub(super) tls: bool,
}

impl Origin {
    /// The host and port of an http or https URL.
    pub(crate) fn of(url: &Url) -> Self {
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => String::new(),
        };
        let port = url.port_or_known_default().unwrap_or(443);
        Self { host, port, tls: url.scheme() != "http" }
    }

    /// Where every Azure node has the instance metadata service.
    pub(crate) fn metadata_service() -> Self {
        Self { host: "169.254.169.254".to_owned(), port: 80, tls: false }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Host and port, as an HTTP message names them.
    pub(super) fn authority(&self) -> String {
        authority(&self.host, self.port)
    }

    /// The name without the dot that only the resolver needs.
    pub(super) fn name(&self) -> &str {
        self.host.strip_suffix('.').unwrap_or(&self.host)
    }

    pub(super) fn is_loopback(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        self.name() == "localhost"
            || address.is_ok_and(|address| address.to_canonical().is_loopback())
    }
}
