//! Addresses of servers: which hosts a certificate can name, and how an address
//! is shown in a message.

use std::{borrow::Cow, net::Ipv4Addr};

use url::{Host, Url};

/// RFC 1035, 2.3.4: a label has at most 63 bytes, a name 253 without the length
/// bytes of the wire format.
const MAX_LABEL_BYTES: usize = 63;
const MAX_NAME_BYTES: usize = 253;

/// Whether a server certificate can name the host of `url`: an IP address or a
/// DNS name. What TLS cannot verify is refused when the configuration is read.
/// A dot at the end is allowed, because it is not part of the name.
pub(crate) fn is_verifiable(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_verifiable_name(name),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    }
}

/// The same of a host's name. One that ends in a number is an IPv4 address or nothing:
/// <https://url.spec.whatwg.org/#ends-in-a-number-checker>
pub(crate) fn is_verifiable_name(name: &str) -> bool {
    let relative = name.strip_suffix('.').unwrap_or(name);
    let last = relative.rsplit('.').next().unwrap_or_default();
    name.len() <= MAX_NAME_BYTES
        && relative.split('.').all(is_label)
        && (!last.bytes().all(|byte| byte.is_ascii_digit()) || relative.parse::<Ipv4Addr>().is_ok())
}

/// Underscores are no part of a host name by RFC 1123, but certificates name
/// such hosts and rustls accepts them.
fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=MAX_LABEL_BYTES).contains(&label.len())
        && label.bytes().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// What is expected of a host that is not [`is_verifiable`].
pub(crate) const VERIFIABLE_HOST: &str = "a URL whose host a certificate can name: letters, digits, hyphens and underscores between dots, no label longer than 63 characters or with a hyphen at either end";

/// `address` without user and password, for a message. Everything before the
/// last `@` is removed but the scheme: a password may contain any character.
pub fn without_userinfo(address: &str) -> Cow<'_, str> {
    let Some((before, rest)) = address.rsplit_once('@') else { return Cow::Borrowed(address) };
    let has = |scheme: &&&str| {
        before.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let scheme = ["https://", "http://"].iter().find(has).copied().unwrap_or_default();
    Cow::Owned(format!("{scheme}…@{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_no_certificate_can_name() {
        let long = "a".repeat(64);
        let name = format!("{}.example", [&long[..60]; 5].join("."));
        for bad in
            ["a-.example", "-a.example", "a.b-", "a..example", "a.example..", "a!b.example", "*.a"]
                .into_iter()
                .chain([long.as_str(), name.as_str()])
        {
            if let Ok(url) = Url::parse(&format!("https://{bad}/")) {
                assert!(!is_verifiable(&url), "{bad}");
            }
        }
        for good in ["a", "a.example.", "a_b.example", "_a.x", "xn--bcher-kva.example", "[::1]"]
            .into_iter()
            .chain(["10.0.0.1", "a--b.example", &long[1..], "bücher.example", "0a.1a"])
        {
            assert!(is_verifiable(&Url::parse(&format!("https://{good}/")).unwrap()), "{good}");
        }
    }

    /// A URL's host is never such a name, but the name that TLS asks for may be.
    #[test]
    fn a_name_that_ends_in_a_number_is_an_address_or_nothing() {
        for (name, verifiable) in
            [("0", false), ("a.1", false), ("1.2.3", false), ("10.0.0.1", true), ("1.a", true)]
        {
            assert_eq!(is_verifiable_name(name), verifiable, "{name}");
        }
    }

    #[test]
    fn no_part_of_a_password_is_shown() {
        for (address, shown) in [
            ("https://user:pw@host/x", "https://…@host/x"),
            ("HTTP://user:p@w@host:99999", "http://…@host:99999"),
            ("user:s3cret@proxy.example:99999", "…@proxy.example:99999"),
            ("user:p//w#?/\\@proxy", "…@proxy"),
            ("http:/user:pw@proxy", "…@proxy"),
            ("https://host/x", "https://host/x"),
        ] {
            assert_eq!(without_userinfo(address), shown);
        }
    }
}
