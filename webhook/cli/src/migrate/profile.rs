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
    config::{CHARTS_IMAGE, Config, IDENTITY_BINDING, PROFILE_ONLY, Profile, Shape},
    effective::describes_destination,
};

use super::{OrReasons, placeholder, variables::Variables};
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
    /// `more` keys; a variable's own text where it is a placeholder or a URL.
    pub(super) fn new(
        settings: &Settings,
        given: &Variables,
        without: &[&str],
        more: Vec<(&'static str, Value)>,
    ) -> Self {
        let variables: BTreeMap<_, _> = settings.to_env().into_iter().collect();
        let rows = KEYS.into_iter().map(|(key, variable)| (key, variable, key == "listeningPort"));
        let only = PROFILE_ONLY.iter().map(|only| {
            (only.key, only.variable, matches!(only.shape, Shape::Count | Shape::Switch))
        });
        let is_default = |key| key == "listeningPort" && settings.listening_port == Port::DEFAULT;
        let keys = rows.chain(only).filter_map(|(key, variable, is_number)| {
            let is_left_out = is_default(key) || without.contains(&variable);
            let value = variables.get(variable).filter(|_| !is_left_out)?;
            let other = if key == "authorityHost" { env::AAD_HOST_ENDPOINT } else { variable };
            let written = given.get(variable).or_else(|| given.get(other)).filter(|written| {
                ["ingestionUrl", "httpsProxy"].contains(&key) || placeholder::is_in(written)
            });
            let text = written.unwrap_or(value);
            let number = serde_json::from_str(text).ok().filter(|_| is_number);
            Some((key, number.unwrap_or_else(|| text.as_str().into())))
        });
        Self(keys.chain(more).collect())
    }

    /// The keys whose values have to be filled in.
    pub(super) fn placeholders(&self) -> Vec<&'static str> {
        let open = |value: &Value| value.as_str().is_some_and(placeholder::is_in);
        self.0.iter().filter(|(_, value)| open(value)).map(|(key, _)| *key).collect()
    }

    /// `text` with the placeholders in place of what stands in for them.
    pub(super) fn as_written(&self, text: &str) -> String {
        let texts = self.0.iter().filter_map(|(key, value)| Some((key, value.as_str()?)));
        let open = texts.filter(|(_, written)| placeholder::is_in(written));
        open.fold(text.to_owned(), |text, (key, written)| {
            text.replace(&placeholder::usable(key, written), written)
        })
    }

    /// What of it describes a further destination. Where its certificate is mounted is
    /// left to the webhook, which gives each destination a place of its own.
    pub(super) fn of_destination(&self) -> Self {
        let is_its_own = |key: &str| {
            let only = PROFILE_ONLY.iter().find(|only| only.key == key);
            let known = Key::ALL.iter().find(|known| known.profile() == key);
            key == IDENTITY_BINDING
                || only.is_some_and(|only| DESTINATION_VARIABLES.contains(&only.variable))
                || known
                    .is_some_and(|known| describes_destination(*known) && *known != Key::MountPath)
        };
        Self(self.0.iter().filter(|(key, _)| is_its_own(key)).cloned().collect())
    }

    /// What is worked with: something valid in place of each placeholder.
    fn usable(&self) -> Value {
        let usable = |(key, value): &(&'static str, Value)| {
            let text = value.as_str().map(|text| placeholder::usable(key, text).into());
            ((*key).to_owned(), text.unwrap_or_else(|| value.clone()))
        };
        self.0.iter().map(usable).collect::<Map<_, _>>().into()
    }
}

/// A configuration with these profiles, as the chart would render it.
///
/// # Errors
/// What no profile can be: one sentence each.
pub(super) fn configuration<'a>(
    profiles: impl Iterator<Item = (&'a str, &'a NewProfile)>,
) -> OrReasons<Config> {
    let profiles = profiles.map(|(name, profile)| (name.to_owned(), profile.usable()));
    parsed(&profiles.collect::<Map<_, _>>().into())
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn parsed(profiles: &Value) -> Result<Config, Vec<contract::SettingError>> {
    let image = format!("{CHARTS_IMAGE}:{VERSION}");
    Config::parse(&json!({"image": image, "profiles": profiles}).to_string())
}

/// The profiles of a migration, in the order in which they are needed, and the
/// names that are taken.
#[derive(Clone, Debug)]
pub struct Profiles {
    first: String,
    pub(super) new: Vec<(String, NewProfile)>,
    /// Names that objects of the file use, which are not migrated now.
    pub(super) in_use: BTreeSet<String>,
    /// Those of the running release, as far as they can be read.
    release: BTreeMap<String, Option<Profile>>,
}

impl Profiles {
    /// None yet; the first will be called `first`, unless that name is taken, in the
    /// file or in `release`: values of the chart, or the webhook's configuration.
    ///
    /// # Errors
    /// Where `release` is no YAML.
    pub fn new(first: &str, release: &str) -> Result<Self, ManifestError> {
        let values = manifests::parse(1, release)?;
        let given = values.pointer("/config/profiles").or_else(|| values.get("profiles"));
        let given = given.and_then(Value::as_object).into_iter().flatten();
        let read = |(name, profile): (&String, &Value)| {
            let config = parsed(&json!({name: profile})).ok();
            (name.clone(), config.and_then(|mut config| config.profiles.remove(name)))
        };
        let (release, in_use) = (given.map(read).collect(), BTreeSet::new());
        Ok(Self { first: first.to_owned(), new: Vec::new(), in_use, release })
    }

    /// The name of a profile: that of the same profile, or one that is free: the first,
    /// `label`, the object's, or a number. A pod that has profiles called `before` is to
    /// name it after them, so it has to be one that a destination can have.
    ///
    /// # Errors
    /// What no profile can be: one sentence each.
    pub(super) fn name_of(
        &self,
        profile: &NewProfile,
        site: &Site<'_>,
        before: &[&str],
        label: Option<&str>,
    ) -> OrReasons<String> {
        let read = configuration([(self.first.as_str(), profile)].into_iter())?;
        let read = read.profiles.into_values().next();
        let is_whole = profile.placeholders().is_empty();
        let new = self.new.iter().map(|(name, other)| (name, other == profile));
        let old = self.release.iter().map(|(name, other)| (name, is_whole && *other == read));
        let taken: BTreeMap<&String, bool> = old.chain(new).collect();
        let fits = |name: &String| {
            before.is_empty()
                || (!before.contains(&name.as_str()) && name.parse::<DestinationName>().is_ok())
        };
        if let Some((same, _)) = taken.iter().find(|(name, is_same)| **is_same && fits(name)) {
            return Ok((*same).clone());
        }
        let metadata = site.object.and_then(|object| object.get("metadata"));
        let name = ["name", "generateName"].iter().find_map(|key| metadata?.get(key)?.as_str());
        let named = |name: Option<&str>| name.and_then(|name| profile_name(name).ok());
        let (label, name) = (named(label), named(name));
        let first = (self.new.is_empty() && before.is_empty()).then(|| self.first.clone());
        let base = name.clone().filter(fits).unwrap_or_else(|| DEFAULT_PROFILE.to_owned());
        let numbered = (2_u32..).map(|number| format!("{base}-{number}"));
        let mut candidates = first.into_iter().chain(label).chain(name).chain(numbered);
        let is_free =
            |name: &String| !taken.contains_key(name) && !self.in_use.contains(name) && fits(name);
        Ok(candidates.find(is_free).unwrap_or_default())
    }

    /// Adds a profile, unless it is there.
    pub(super) fn add(&mut self, name: &str, profile: NewProfile) {
        if !self.new.iter().any(|(other, _)| other == name) {
            self.new.push((name.to_owned(), profile));
        }
    }

    /// The profiles as part of the chart's values; empty where there are none.
    pub(super) fn values(&self) -> String {
        let profiles = self.new.iter().map(|(name, NewProfile(keys))| {
            let lines = keys.iter().map(|(key, value)| {
                let text = value.as_str().filter(|text| !placeholder::is_in(text));
                let text = text.map_or_else(|| value.to_string(), yaml::scalar);
                format!("      {key}: {text}\n")
            });
            format!("    {}:\n{}", yaml::scalar(name), lines.collect::<String>())
        });
        let profiles: String = profiles.collect();
        if profiles.is_empty() { profiles } else { format!("config:\n  profiles:\n{profiles}") }
    }
}
