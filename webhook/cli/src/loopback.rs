//! Addresses of a listener in the same pod.

/// Hosts that are the pod itself.
pub(crate) const HOSTS: [&str; 4] = ["localhost", "127.0.0.1", "[::1]", "0.0.0.0"];

/// A URL of this pod: its port, and what follows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Loopback<'a> {
    /// The port; 80 where none is written.
    pub(crate) port: u16,
    /// Path and query.
    pub(crate) rest: &'a str,
}

/// The parts of `url`, if it is one of this pod.
pub(crate) fn parse(url: &str) -> Option<Loopback<'_>> {
    let rest = url.trim().strip_prefix("http://")?;
    let rest = HOSTS.into_iter().find_map(|host| rest.strip_prefix(host))?;
    let (port, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let port = match port.strip_prefix(':') {
        Some(digits) => digits.parse().ok()?,
        None if port.is_empty() => 80,
        None => return None,
    };
    Some(Loopback { port, rest })
}
