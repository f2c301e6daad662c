//! The hosts that an annotation may send samples to.

use std::net::Ipv6Addr;

use contract::{IngestionUrl, Rejected};

/// A host (`dce.example`) or a host and all below it (`.example`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule(String);

impl HostRule {
    /// The rule, as it was given but in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn matches(&self, url: &IngestionUrl) -> bool {
        if self.0.starts_with('.') { url.is_below(&self.0) } else { url.host() == self.0 }
    }
}

/// Reads a rule; one that no host can match, as with a port, is an error.
pub(super) fn host_rule(text: &str) -> Result<HostRule, Rejected> {
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok(HostRule(address.to_string()));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_label = |label: &str| !label.is_empty() && label.chars().all(allowed);
    if text.strip_prefix('.').unwrap_or(text).split('.').all(is_label) {
        Ok(HostRule(text.to_lowercase()))
    } else {
        Err(Rejected::expected("a host such as dce.example, or .example for all hosts below it"))
    }
}
