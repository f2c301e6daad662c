//! What a pod's author may change, and where an annotation may send samples.

use std::net::Ipv6Addr;

use contract::{IngestionUrl, InvalidValue, Key};

use super::reader::{Reader, Section};

/// The settings that a pod's author may change. It limits annotations, not profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The annotations that a pod may set besides `inject` and `profile`.
    pub overridable: Vec<Key>,
    /// Where an annotation may send samples, and with them the token.
    pub ingestion_hosts: Vec<HostRule>,
}

impl Default for Policy {
    /// All but the image, since anyone who chooses it runs code with the pod's identity;
    /// and only Azure's own ingestion hosts.
    fn default() -> Self {
        let azure =
            [".ingest.monitor.azure.com", ".ingest.monitor.azure.us", ".ingest.monitor.azure.cn"];
        Self {
            overridable: Key::ALL.iter().copied().filter(|key| *key != Key::Image).collect(),
            ingestion_hosts: azure.iter().filter_map(|text| host_rule(text).ok()).collect(),
        }
    }
}

impl Policy {
    /// Whether an annotation may name this ingestion URL; judged by its parsed
    /// host, never by its text.
    pub fn allows(&self, url: &IngestionUrl) -> bool {
        self.ingestion_hosts.iter().any(|rule| rule.matches(url))
    }
}

/// A host (`dce.example`) or a host and all below it (`.example`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule(String);

impl HostRule {
    /// The rule, as it was given but in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn matches(&self, url: &IngestionUrl) -> bool {
        if self.0.starts_with('.') { url.is_below(&self.0) } else { url.host() == self.0 }
    }
}

/// Reads a rule; one that no host can match, as with a port, is an error.
fn host_rule(text: &str) -> Result<HostRule, InvalidValue> {
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok(HostRule(address.to_string()));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_label = |label: &str| !label.is_empty() && label.chars().all(allowed);
    if text.strip_prefix('.').unwrap_or(text).split('.').all(is_label) {
        Ok(HostRule(text.to_lowercase()))
    } else {
        Err(InvalidValue::expected(
            "a host such as dce.example, or .example for all hosts below it",
        ))
    }
}

/// Reads the section `policy`.
pub(super) fn read(reader: &mut Reader, top: &mut Section) -> Policy {
    let usual = Policy::default();
    let Some(mut policy) = reader.subsection(top, "policy") else { return usual };
    let overridable = reader.list(&mut policy, "overridable").map(|items| {
        items.iter().filter_map(|(path, item)| reader.value_with(path, item, overridable)).collect()
    });
    let ingestion_hosts = reader.list(&mut policy, "ingestionHosts").map(|items| {
        items.iter().filter_map(|(path, item)| reader.value_with(path, item, host_rule)).collect()
    });
    reader.reject_rest(policy);
    Policy {
        overridable: overridable.unwrap_or(usual.overridable),
        ingestion_hosts: ingestion_hosts.unwrap_or(usual.ingestion_hosts),
    }
}

fn overridable(text: &str) -> Result<Key, InvalidValue> {
    let names: Vec<&str> = Key::ALL.iter().map(|key| key.annotation()).collect();
    let short = text.strip_prefix(contract::annotations::PREFIX).unwrap_or(text);
    Key::ALL
        .iter()
        .copied()
        .find(|key| key.annotation() == short)
        .ok_or_else(|| InvalidValue::one_of(short, &names))
}
