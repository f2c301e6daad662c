//! The forward proxy on the way to Azure.

use std::{fmt, str::FromStr};

use url::{Host, Url};

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

    /// Whether `url` is reached through the proxy. Loopback never is.
    pub fn applies_to(&self, url: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        let port = url.port_or_known_default();
        !is_loopback(&host) && !self.rules().any(|rule| matches(rule, &host, port))
    }

    fn rules(&self) -> impl Iterator<Item = &str> {
        self.exceptions.split(',').map(str::trim).filter(|rule| !rule.is_empty())
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

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// One entry of `NO_PROXY`, as Go's and curl's clients read it.
fn matches(rule: &str, host: &Host<&str>, port: Option<u16>) -> bool {
    if rule == "*" {
        return true;
    }
    if let Some(matched) = matches_network(rule, host) {
        return matched;
    }
    let (name, rule_port) = match rule.rsplit_once(':') {
        Some((name, digits)) if digits.parse::<u16>().is_ok() && !name.contains(':') => {
            (name, digits.parse::<u16>().ok())
        }
        _ => (rule, None),
    };
    if rule_port.is_some() && rule_port != port {
        return false;
    }
    let name = name.trim_start_matches("*.").trim_start_matches('.').to_lowercase();
    let host = host.to_string();
    let host = host.trim_end_matches('.');
    host == name || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'))
}

/// An address or a network in `address/bits` form; `None` if the rule is none.
fn matches_network(rule: &str, host: &Host<&str>) -> Option<bool> {
    let (base, bits) = match rule.split_once('/') {
        Some((base, bits)) => (base, Some(bits.parse::<u32>().ok()?)),
        None => (rule.trim_matches(['[', ']']), None),
    };
    let (base, width) = match std::net::IpAddr::from_str(base).ok()? {
        std::net::IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        std::net::IpAddr::V6(address) => (u128::from(address), 128),
    };
    let (address, address_width) = match host {
        Host::Ipv4(address) => (u128::from(u32::from(*address)), 32),
        Host::Ipv6(address) => (u128::from(*address), 128),
        Host::Domain(_) => return Some(false),
    };
    let ignored = width - bits.unwrap_or(width).min(width);
    let top = |value: u128| value.checked_shr(ignored).unwrap_or(0);
    Some(width == address_width && top(base) == top(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_as_other_tools_read_them() {
        let check = |exceptions: &str, url: &str, through: bool| {
            let proxy = Proxy::new("proxy.example:3128", exceptions).unwrap();
            assert_eq!(proxy.applies_to(&Url::parse(url).unwrap()), through, "{exceptions} {url}");
        };
        check("", "https://a.example/", true);
        check("", "https://localhost:1/", false);
        check("", "https://127.0.0.1:1/", false);
        check("", "https://[::1]:1/", false);
        check("*", "https://a.example/", false);
        check("example", "https://a.example/", false);
        check(".example", "https://a.example/", false);
        check("*.example", "https://a.example/", false);
        check("ample", "https://a.example/", true);
        check("a.example:444", "https://a.example/", true);
        check("x, a.example:443", "https://a.example/", false);
        check("10.0.0.0/8", "https://10.1.2.3/", false);
        check("10.0.0.0/8", "https://11.1.2.3/", true);
        check("10.1.2.3", "https://10.1.2.3/", false);
        check("fd00::/8", "https://[fd00::1]/", false);
        check("0.0.0.0/0", "https://[fd00::1]/", true);
        check("A.Example", "https://a.example./", false);
    }

    #[test]
    fn a_password_is_not_printed() {
        let proxy = Proxy::new("http://user:secret@proxy.example:3128", "").unwrap();
        assert!(!format!("{proxy:?}").contains("secret"));
        assert!(Proxy::new("socks5://proxy.example", "").is_err());
        assert!(Proxy::new("", "").is_err());
    }
}
