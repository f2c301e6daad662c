//! The entry of Prometheus' own configuration that does without the sidecar,
//! for the settings that the sidecar has.
//!
//! Newer versions of Prometheus get tokens themselves. Whoever can run such a
//! version should know what the change would be, and what would be different.
//! Field names and rules:
//! <https://github.com/prometheus/prometheus/blob/main/storage/remote/azuread/azuread.go>;
//! versions: <https://github.com/prometheus/prometheus/blob/main/CHANGELOG.md>.

mod azuread;
mod differences;

use std::fmt::Write as _;

use contract::{Destination, Destinations, Identity, Settings};

use self::azuread::{AzureAd, Version};

/// In whose language the entry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Prometheus' own configuration.
    Prometheus,
    /// A `Prometheus` object of prometheus-operator, and the values of
    /// kube-prometheus-stack.
    Operator,
}

impl Language {
    /// A key in this language.
    const fn key(self, own: &'static str, operators: &'static str) -> &'static str {
        match self {
            Self::Prometheus => own,
            Self::Operator => operators,
        }
    }

    /// Whether it has no word for this identity.
    const fn lacks(self, settings: &Settings) -> bool {
        matches!((self, &settings.identity), (Self::Operator, Identity::AadApplication { .. }))
    }

    /// Who can do it, and where the entry belongs.
    fn heading(self, since: Version, operator: Version) -> String {
        match self {
            Self::Prometheus => format!(
                "# Prometheus {since} and newer write without the sidecar, with this in its own configuration.\n"
            ),
            Self::Operator => format!(
                "# Prometheus {since} and newer, made by prometheus-operator {operator} or newer, write without\n# the sidecar, with this in spec of their Prometheus object. An older operator's definition\n# may silently drop fields that it does not know.\n"
            ),
        }
    }
}

/// YAML that Prometheus, or the operator, accepts, with comments; an entry for each
/// destination.
pub fn native(destinations: &Destinations, language: Language) -> String {
    let (certificates, said): (Vec<&Destination>, Vec<_>) =
        destinations.iter().partition(|one| language.lacks(&one.settings));
    let entries: Vec<AzureAd> =
        said.iter().map(|one| AzureAd::of(&one.settings, language)).collect();
    let mut text = String::new();
    let versions = entries.iter().map(|entry| (entry.since, entry.operator));
    let oldest = versions.reduce(|one, other| (one.0.max(other.0), one.1.max(other.1)));
    if let Some((since, operator)) = oldest {
        text = language.heading(since, operator);
        let _ = writeln!(text, "{}:", language.key("remote_write", "remoteWrite"));
    }
    let is_named = destinations.len() > 1;
    for (destination, entry) in said.iter().zip(&entries) {
        if is_named {
            let _ = writeln!(text, "  # what is written to {}", destination.write_path());
        }
        add_entry(&mut text, &destination.settings, entry, language);
    }
    let all = |remarks: fn(&Settings, Language) -> Vec<String>| {
        let mut all: Vec<String> = Vec::new();
        for remark in said.iter().flat_map(|one| remarks(&one.settings, language)) {
            if !all.contains(&remark) {
                all.push(remark);
            }
        }
        all
    };
    list(&mut text, "Differences from the sidecar:", &all(differences::of));
    list(&mut text, "Settings without an equivalent:", &all(differences::missing));
    if !certificates.is_empty() {
        let paths: Vec<String> = certificates.iter().map(|one| one.write_path()).collect();
        let whose = if is_named { format!("# {}: ", paths.join(", ")) } else { "# ".to_owned() };
        text = text + &whose + NO_CERTIFICATE;
    }
    text
}

fn add_entry(text: &mut String, settings: &Settings, entry: &AzureAd, language: Language) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "  - url: {}", quoted(settings.ingestion_url.url().as_str()));
    let (proxy, tls) = (proxy(settings, language), tls(settings, language));
    for line in entry.lines.iter().chain(&proxy).chain(&tls) {
        let _ = writeln!(text, "    {line}");
    }
    text.push_str(&queue(language));
}

/// <https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1.AzureAD>
const NO_CERTIFICATE: &str =
    "prometheus-operator's azureAd has no certificate: use Prometheus' own configuration,
# which `prom-remotewrite native` prints.
";

/// Without it, Prometheus drops what Azure throttles.
fn queue(language: Language) -> String {
    let key = language.key("queue_config", "queueConfig");
    let retry = language.key("retry_on_http_429", "retryOnRateLimit");
    format!(
        "    {key}:\n      {retry}: true  # since 2.26.0; without it, Prometheus drops what Azure throttles\n"
    )
}

fn list(text: &mut String, title: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n# {title}");
    for item in items {
        let _ = writeln!(text, "# - {item}");
    }
}

/// The forward proxy, without its user and password.
fn proxy(settings: &Settings, language: Language) -> Vec<String> {
    let Some(proxy) = &settings.proxy else { return Vec::new() };
    let mut address = proxy.address().clone();
    let mut lines = Vec::new();
    if !address.username().is_empty() || address.password().is_some() {
        // Neither fails for an address with a host, and ours has one.
        let _ = (address.set_username(""), address.set_password(None));
        lines.push("# add the user and password that HTTPS_PROXY has".to_owned());
    }
    let key = language.key("proxy_url", "proxyUrl");
    lines.push(format!("{key}: {}", quoted(address.as_str())));
    if !proxy.exceptions().is_empty() {
        let key = language.key("no_proxy", "noProxy");
        lines.push(format!("{key}: {}  # since 2.43.0", quoted(proxy.exceptions())));
    }
    lines
}

/// The roots for ingestion; tokens are another matter.
fn tls(settings: &Settings, language: Language) -> Vec<String> {
    let Some(file) = &settings.trusted_roots_file else { return Vec::new() };
    let (section, key) =
        (language.key("tls_config", "tlsConfig"), language.key("ca_file", "caFile"));
    vec![format!("{section}:"), format!("  {key}: {}", quoted(&file.to_string_lossy()))]
}

/// A YAML string in which nothing has a meaning, on one line.
fn quoted(text: &str) -> String {
    if text.chars().any(char::is_control) {
        // YAML's double-quoted strings have JSON's escapes.
        return serde_json::Value::from(text).to_string();
    }
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests;
