//! Settings as a profile of the chart's values.

use std::fmt::Write as _;

use contract::{ClientId, Settings, names::env};
use serde_json::Value;
use webhook::config::{PROFILE_ONLY, Shape};

use super::{mounted_files::MountedFiles, placeholder, variables::Variables};

/// A profile: its keys with their values, in the order in which people write
/// them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NewProfile {
    keys: Vec<(&'static str, String)>,
    /// Keys that are mappings of their own.
    trust: Option<(String, String)>,
}

/// Keys that an annotation may give as well, with the variable that becomes them.
/// The rest of these keys come from elsewhere in the pod.
const KEYS: [(&str, &str); 9] = [
    ("ingestionUrl", env::INGESTION_URL),
    ("identityType", env::IDENTITY_TYPE),
    ("clientId", env::AZURE_CLIENT_ID),
    ("tenantId", env::AZURE_TENANT_ID),
    ("cloud", env::CLOUD),
    ("audience", env::INGESTION_AAD_AUDIENCE),
    ("listeningPort", env::LISTENING_PORT),
    ("responseMode", env::RESPONSE_MODE),
    ("logLevel", env::LOG_LEVEL),
];

/// Whether a key's values are numbers or switches.
fn is_number(key: &str) -> bool {
    let setting = PROFILE_ONLY.iter().find(|setting| setting.key == key);
    key == "listeningPort"
        || setting.is_some_and(|setting| matches!(setting.shape, Shape::Count | Shape::Switch))
}

/// Where a profile's value may still be the template's own text.
const OTHER_NAMES: [(&str, &str); 1] = [(env::AZURE_AUTHORITY_HOST, env::AAD_HOST_ENDPOINT)];

impl NewProfile {
    /// The profile for `settings`; a variable's own text where it is a
    /// placeholder, `without` those that come from elsewhere.
    pub(super) fn new(
        settings: &Settings,
        given: &Variables,
        without: &[&str],
        files: &MountedFiles,
        resources: Vec<(&'static str, String)>,
    ) -> Self {
        let variables = settings.to_env();
        let mut keys = Vec::new();
        let of_profiles = PROFILE_ONLY.iter().map(|setting| (setting.key, setting.variable));
        for (key, variable) in KEYS.into_iter().chain(of_profiles) {
            let Some((_, value)) = variables.iter().find(|(name, _)| *name == variable) else {
                continue;
            };
            let usual = variable == env::LISTENING_PORT
                && settings.listening_port == contract::Port::DEFAULT;
            if usual || without.contains(&variable) {
                continue;
            }
            keys.push((key, shown(variable, value, given)));
            if variable == env::AZURE_TENANT_ID {
                keys.extend(files.keys.iter().cloned());
            }
        }
        keys.extend(resources);
        Self { keys, trust: files.trust.clone() }
    }

    /// The keys whose values have to be filled in.
    pub(super) fn placeholders(&self) -> Vec<&'static str> {
        let open = |text: &str| placeholder::is_in(text);
        let trust = self.trust.iter().filter(|(name, key)| open(name) || open(key));
        let keys = self.keys.iter().filter(|(_, text)| open(text)).map(|(key, _)| *key);
        keys.chain(trust.map(|_| "trustConfigMap")).collect()
    }

    /// Whether it has this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|(other, _)| *other == key)
    }

    /// The profile as lines of YAML, as it is to be pasted.
    pub(super) fn shown(&self, indent: usize) -> String {
        self.lines(indent, |_, text| text.to_owned())
    }

    /// The profile as lines of YAML, as it can be worked with.
    pub(super) fn usable(&self, indent: usize) -> String {
        self.lines(indent, placeholder::usable)
    }

    fn lines(&self, indent: usize, value: fn(&str, &str) -> String) -> String {
        let mut lines = String::new();
        for (key, text) in &self.keys {
            let text = value(key, text);
            let number = is_number(key) && !placeholder::is_in(&text);
            let text = if number { text } else { scalar(&text) };
            let _ = writeln!(lines, "{:indent$}{key}: {text}", "");
        }
        if let Some(trust) = &self.trust {
            let [name, key] =
                [&trust.0, &trust.1].map(|text| scalar(&value("trustConfigMap", text)));
            let _ = writeln!(lines, "{:indent$}trustConfigMap: {{name: {name}, key: {key}}}", "");
        }
        lines
    }

    /// `text` with the placeholders in place of what stands in for them.
    pub(super) fn as_written(&self, text: &str) -> String {
        let trust = self.trust.iter().flat_map(|(name, key)| [name, key]);
        let trust = trust.map(|text| ("trustConfigMap", text));
        let keys = self.keys.iter().map(|(key, text)| (*key, text)).chain(trust);
        keys.filter(|(_, written)| placeholder::is_in(written))
            .fold(text.to_owned(), |text, (key, written)| {
                text.replace(&placeholder::usable(key, written), written)
            })
    }
}

/// A URL and a placeholder as their author wrote them; anything else in the
/// sidecar's own words.
fn shown(variable: &str, value: &str, given: &Variables) -> String {
    let other = OTHER_NAMES.iter().find(|(name, _)| *name == variable).map(|(_, other)| *other);
    let written = given.get(variable).or_else(|| given.get(other?));
    let is_url = [env::INGESTION_URL, env::HTTPS_PROXY].contains(&variable);
    let keeps = |written: &&String| is_url || placeholder::usable(variable, written) != **written;
    written.filter(keeps).cloned().unwrap_or_else(|| value.to_owned())
}

/// A text in YAML, also as Helm reads it: plain where nobody could take it for
/// something else than a text.
pub(super) fn scalar(text: &str) -> String {
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let starts = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        || is_id_or_amount(text);
    let plain = starts
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:?=&%+@~".contains(&byte))
        && !text.ends_with(':')
        && !words.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}

fn is_id_or_amount(text: &str) -> bool {
    let amount = ["m", "Mi", "Gi", "Ki", "s"].into_iter().find_map(|unit| text.strip_suffix(unit));
    text.parse::<ClientId>().is_ok()
        || amount.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}
