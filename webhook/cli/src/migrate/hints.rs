//! What its author should know, or has to do: one sentence each.

use contract::annotations::{DEFAULT_PROFILE, INJECT, PROFILE};
use serde_json::Value;

use super::{
    new_profile::NewProfile,
    sites::{Form, SERVER, Site},
    source::Source,
};
use crate::loopback;

/// About the site itself.
pub(super) fn hints(site: &Site<'_>, source: &Source<'_>, port: u16, profile: &str) -> Vec<String> {
    let url = format!("http://localhost:{port}{}", contract::names::WRITE_PATH);
    let mut hints = Vec::new();
    let writes = site.writes().any(|(.., entry)| {
        let url = entry.get("url").and_then(Value::as_str).unwrap_or_default();
        loopback::parse(url).is_some_and(|found| found.port == port)
    });
    if let Source::Container { .. } = source {
        match site.form {
            Form::Pod => hints.push(format!(
                "what Prometheus writes to is not in this object: it has to be {url}"
            )),
            Form::Operator if !writes => {
                hints.push(format!("nothing here writes to the sidecar: add {url} to remoteWrite"));
            }
            Form::Operator | Form::Configuration => {}
        }
    }
    if site.form == Form::Configuration {
        let other = if profile == DEFAULT_PROFILE {
            String::new()
        } else {
            format!(" and {PROFILE}: {profile}")
        };
        let place = if site.path.last().is_some_and(|key| key == SERVER) {
            "the chart annotates its pod with server.podAnnotations: write"
        } else {
            "the pod of this Prometheus is not in this object: it has to be annotated with"
        };
        hints.push(format!("{place} {INJECT}: \"true\"{other}"));
    }
    hints.extend(newer_messages(site, source, port));
    if site.label("aadpodidbinding").is_some() {
        hints.push("label aadpodidbinding stays: pod identity has been retired, and workload identity replaces it".to_owned());
    }
    hints
}

/// About entries that go to the sidecar and speak remote write 2.0: Prometheus
/// does not fall back, and drops what is refused.
fn newer_messages(site: &Site<'_>, source: &Source<'_>, port: u16) -> Vec<String> {
    let text = |entry: &'_ Value, key: &str| {
        entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let goes_there = |list: &str, index: usize, entry: &Value| match source {
        Source::Native { list: its, index: at, .. } => (*its, *at) == (list, index),
        Source::Container { .. } => {
            loopback::parse(&text(entry, "url")).is_some_and(|found| found.port == port)
        }
    };
    let speaking = site.writes().filter(|(list, index, entry)| {
        let newer = text(entry, "messageVersion") == "V2.0"
            || text(entry, "protobuf_message").contains(".write.v2.");
        newer && goes_there(list, *index, entry)
    });
    speaking
        .map(|(list, index, _)| {
            format!("{list}[{index}] speaks remote write 2.0: the sidecar passes it on as it is, and nothing says that Azure takes it; without it Prometheus speaks 1.0, which Azure takes")
        })
        .collect()
}

/// About what the file does not say.
pub(super) fn elsewhere(variables: &[&'static str]) -> Option<String> {
    (!variables.is_empty()).then(|| {
        let keys: Vec<&str> = variables
            .iter()
            .map(|name| if name.ends_with("CLIENT_ID") { "clientId" } else { "tenantId" })
            .collect();
        format!(
            "{} is not in this file: the label azure.workload.identity/use has to stay, so that azure-workload-identity's webhook says it, unless you write it into the profile",
            keys.join(" or ")
        )
    })
}

/// About what is still a template.
pub(super) fn placeholders(profile: &NewProfile) -> Option<String> {
    let keys = profile.placeholders();
    (!keys.is_empty()).then(|| format!("fill in the profile's {}", keys.join(", ")))
}
