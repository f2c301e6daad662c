//! Settings as a profile of the chart's values, and the profiles of a whole file
//! with their names.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    DESTINATION_VARIABLES, DestinationName, Key, Port, Settings, annotations::DEFAULT_PROFILE,
    names::env,
};
use serde_json::{Map, Value, json};
use webhook::{
    VERSION,
    config::{CHARTS_IMAGE, Config, IDENTITY_BINDING, PROFILE_ONLY, Shape},
    effective::describes_destination,
};

use super::{
    OrReasons,
    elsewhere::Elsewhere,
    variables::{self, Variables},
};
use crate::{
    manifests::{self, ManifestError},
    validate::profile_name,
    workloads::sites::Site,
    yaml,
};

/// A profile: its keys with their values, in the order in which people write
/// them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewProfile(Vec<(&'static str, Value)>);

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

impl NewProfile {
    /// The profile for `settings`, `without` those that come from elsewhere, and with
    /// `more` keys; URLs and ids as they are written, since they may be templates.
    pub(super) fn new(
        settings: &Settings,
        written: &Variables,
        without: &[&str],
        more: Vec<(&'static str, Value)>,
    ) -> Self {
        let variables: BTreeMap<_, _> = settings.to_env().into_iter().collect();
        let rows = KEYS.into_iter().map(|(key, variable)| (key, variable, key == "listeningPort"));
        let only = PROFILE_ONLY.iter().map(|only| {
            (only.key, only.variable, matches!(only.shape, Shape::Count | Shape::Switch))
        });
        let is_default = settings.listening_port == Port::DEFAULT;
        let keys = rows.chain(only).filter_map(|(key, variable, is_number)| {
            let is_left_out = (is_default && key == "listeningPort") || without.contains(&variable);
            let value = variables.get(variable).filter(|_| !is_left_out)?;
            let is_as_written =
                ["ingestionUrl", "clientId", "tenantId", "httpsProxy"].contains(&key);
            let text = written.get(variable).filter(|_| is_as_written).unwrap_or(value);
            let number = serde_json::from_str(text).ok().filter(|_| is_number);
            Some((key, number.unwrap_or_else(|| text.as_str().into())))
        });
        Self(keys.chain(more).collect())
    }

    /// The keys whose values have to be filled in.
    pub(super) fn templates(&self) -> Vec<&'static str> {
        let open = |value: &Value| value.as_str().is_some_and(variables::is_template);
        self.0.iter().filter(|(_, value)| open(value)).map(|(key, _)| *key).collect()
    }

    /// What of it describes a further destination.
    pub(super) fn of_destination(&self) -> Self {
        let is_its_own = |key: &str| {
            let only = PROFILE_ONLY.iter().find(|only| only.key == key);
            let known = Key::ALL.iter().find(|known| known.profile() == key);
            key == IDENTITY_BINDING
                || only.is_some_and(|only| DESTINATION_VARIABLES.contains(&only.variable))
                || known.is_some_and(|known| describes_destination(*known))
        };
        Self(self.0.iter().filter(|(key, _)| is_its_own(key)).cloned().collect())
    }
}

/// A configuration with these profiles, as the chart would render it.
///
/// # Errors
/// What no profile can be: one sentence each.
pub(super) fn configuration<'a>(
    profiles: impl Iterator<Item = (&'a str, &'a NewProfile)>,
) -> OrReasons<Config> {
    let profiles = profiles.map(|(name, NewProfile(keys))| {
        let usable = |(key, value): &(&'static str, Value)| {
            let text = value.as_str().map(|text| variables::usable(key, text).into());
            ((*key).to_owned(), text.unwrap_or_else(|| value.clone()))
        };
        (name.to_owned(), keys.iter().map(usable).collect::<Map<_, _>>().into())
    });
    let profiles: Map<_, Value> = profiles.collect();
    let image = format!("{CHARTS_IMAGE}:{VERSION}");
    Config::parse(&json!({"image": image, "profiles": profiles}).to_string())
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// The profiles of a migration, in the order in which they are needed, and the
/// names that are taken.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    first: String,
    pub(super) new: Vec<(String, NewProfile)>,
    /// The names of these, and those that the file or the running release uses already.
    pub(super) in_use: BTreeSet<String>,
}

impl Profiles {
    /// None yet; the first will be called `first`, unless that name is taken, in the
    /// file or in `release`: values, or objects, with the webhook's configuration.
    ///
    /// # Errors
    /// Where `release` is no YAML.
    pub fn new(first: &str, release: &str) -> Result<Self, ManifestError> {
        let mut profiles = Self { first: first.to_owned(), ..Self::default() };
        for (number, document) in (1..).zip(yaml::documents(release)) {
            let value = manifests::parse(number, document, release)?;
            Elsewhere::default().read("", &value, &mut profiles);
        }
        Ok(profiles)
    }

    /// Whether no name is taken.
    pub fn is_empty(&self) -> bool {
        self.in_use.is_empty()
    }

    /// The name of a profile: that of the same profile, or one that is free: the first,
    /// `label`, the object's, or a number. A pod that has profiles called `before` is to
    /// name it after them, so it has to be one that a destination can have.
    pub(super) fn name_of(
        &self,
        profile: &NewProfile,
        site: &Site<'_>,
        before: &[&str],
        label: Option<&str>,
    ) -> String {
        let fits = |name: &String| {
            before.is_empty()
                || (!before.contains(&name.as_str()) && name.parse::<DestinationName>().is_ok())
        };
        if let Some((same, _)) = self.new.iter().find(|(it, same)| same == profile && fits(it)) {
            return same.clone();
        }
        let first = (self.new.is_empty() && before.is_empty()).then_some(self.first.as_str());
        let object = site.object.and_then(|object| object.pointer("/metadata/name")?.as_str());
        let label = label.map(|it| it.strip_prefix("prom-remotewrite-").unwrap_or(it));
        let named = [first, label, object].into_iter().flatten();
        let numbered = (2_u32..).map(|number| format!("{DEFAULT_PROFILE}-{number}"));
        let mut candidates = named.filter_map(|name| profile_name(name).ok()).chain(numbered);
        let is_free = |name: &String| !self.in_use.contains(name) && fits(name);
        candidates.find(is_free).unwrap_or_default()
    }

    /// Adds a profile, unless it is there.
    pub(super) fn add(&mut self, name: &str, profile: NewProfile) {
        if self.in_use.insert(name.to_owned()) {
            self.new.push((name.to_owned(), profile));
        }
    }

    /// The profiles as part of the chart's values; empty where there are none.
    pub fn values(&self) -> String {
        let profiles = self.new.iter().map(|(name, NewProfile(keys))| {
            let lines = keys.iter().map(|(key, value)| {
                let text = value.as_str().filter(|text| !variables::is_template(text));
                let text = text.map_or_else(|| value.to_string(), yaml::scalar);
                format!("      {key}: {text}\n")
            });
            format!("    {}:\n{}", yaml::scalar(name), lines.collect::<String>())
        });
        let profiles: String = profiles.collect();
        if profiles.is_empty() { profiles } else { format!("config:\n  profiles:\n{profiles}") }
    }
}
