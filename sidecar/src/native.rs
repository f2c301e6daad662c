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

use contract::Settings;

use self::azuread::AzureAd;

/// YAML that Prometheus accepts, with comments.
pub fn native(settings: &Settings) -> String {
    let azuread = AzureAd::of(settings);
    let (differences, missing) = (differences::of(settings), differences::missing(settings));
    let mut text = format!(
        "# Prometheus {} and newer write without the sidecar, with this in its own configuration.\n",
        azuread.since
    );
    text.push_str("remote_write:\n");
    let _ = writeln!(text, "  - url: {}", quoted(settings.ingestion_url.url().as_str()));
    for line in azuread.lines.iter().chain(&proxy(settings)).chain(&tls(settings)) {
        let _ = writeln!(text, "    {line}");
    }
    text.push_str(QUEUE);
    list(&mut text, "What is different then:", &differences);
    list(&mut text, "What has no counterpart there:", &missing);
    text
}

/// Without it, Prometheus drops what Azure throttles.
const QUEUE: &str = "    queue_config:
      retry_on_http_429: true  # since 2.26.0; without it, Prometheus drops what Azure throttles
";

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
fn proxy(settings: &Settings) -> Vec<String> {
    let Some(proxy) = &settings.proxy else { return Vec::new() };
    let mut address = proxy.address().clone();
    let mut lines = Vec::new();
    if !address.username().is_empty() || address.password().is_some() {
        // Neither fails for an address with a host, and ours has one.
        let _ = (address.set_username(""), address.set_password(None));
        lines.push("# add the user and password that HTTPS_PROXY has".to_owned());
    }
    lines.push(format!("proxy_url: {}", quoted(address.as_str())));
    if !proxy.exceptions().is_empty() {
        lines.push(format!("no_proxy: {}  # since 2.43.0", quoted(proxy.exceptions())));
    }
    lines
}

/// The roots for ingestion; tokens are another matter.
fn tls(settings: &Settings) -> Vec<String> {
    let Some(file) = &settings.trusted_roots_file else { return Vec::new() };
    vec!["tls_config:".to_owned(), format!("  ca_file: {}", quoted(&file.to_string_lossy()))]
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
