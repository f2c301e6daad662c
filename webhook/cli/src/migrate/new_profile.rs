//! Settings as a profile of the chart's values.

use std::fmt::Write as _;

use contract::{ClientId, Settings, names::env};
use serde_json::Value;
use webhook::config::{PROFILE_ONLY, Shape};

use super::{
    mounted_files::MountedFiles,
    placeholder,
    variables::{Given, Variables},
};

/// A profile: its keys with their values, in the order in which people write
/// them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NewProfile {
    keys: Vec<(&'static str, Given)>,
    /// Keys that are mappings of their own.
    trust: Option<(Given, Given)>,
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
        let plain = |text: String| Given { value: text.clone(), text };
        keys.extend(resources.into_iter().map(|(key, text)| (key, plain(text))));
        Self { keys, trust: files.trust.clone() }
    }

    /// The keys whose values have to be filled in.
    pub(super) fn placeholders(&self) -> Vec<&'static str> {
        let open = |given: &Given| placeholder::is_in(&given.text);
        let trust = self.trust.iter().filter(|(name, key)| open(name) || open(key));
        let keys = self.keys.iter().filter(|(_, given)| open(given)).map(|(key, _)| *key);
        keys.chain(trust.map(|_| "trustConfigMap")).collect()
    }

    /// The profile as lines of YAML, as it is to be pasted.
    pub(super) fn shown(&self, indent: usize) -> String {
        self.lines(indent, |given| &given.text)
    }

    /// The profile as lines of YAML, as it can be worked with.
    pub(super) fn usable(&self, indent: usize) -> String {
        self.lines(indent, |given| &given.value)
    }

    fn lines(&self, indent: usize, text: impl Fn(&Given) -> &str) -> String {
        let mut lines = String::new();
        for (key, given) in &self.keys {
            let text = text(given);
            let number = is_number(key) && !placeholder::is_in(text);
            let text = if number { text.to_owned() } else { scalar(text) };
            let _ = writeln!(lines, "{:indent$}{key}: {text}", "");
        }
        if let Some((name, key)) = &self.trust {
            let (name, key) = (scalar(text(name)), scalar(text(key)));
            let _ = writeln!(lines, "{:indent$}trustConfigMap: {{name: {name}, key: {key}}}", "");
        }
        lines
    }
}

/// A URL as its author wrote it; anything else in the sidecar's own words.
fn shown(variable: &str, value: &str, given: &Variables) -> Given {
    let other = OTHER_NAMES.iter().find(|(name, _)| *name == variable).map(|(_, other)| *other);
    let written = given.get(variable).or_else(|| given.get(other?));
    let is_url = [env::INGESTION_URL, env::HTTPS_PROXY].contains(&variable);
    let keeps = |written: &&Given| is_url || written.is_placeholder();
    written
        .filter(keeps)
        .cloned()
        .unwrap_or_else(|| Given { text: value.to_owned(), value: value.to_owned() })
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
