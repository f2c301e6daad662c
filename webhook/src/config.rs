//! The webhook's configuration: a YAML file that the chart renders.
//!
//! It is read whole or not at all: unknown keys are refused, and every error is reported
//! together with its path in the file.

mod policy;
mod profile;
mod reader;
mod resources;
mod schema;
pub mod selection;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;

use contract::{
    Image, ImagePullPolicy, InvalidValue, ObjectName, ReadinessProbe, SettingError, SidecarMode,
};
use serde_json::Value;

pub use policy::{HostRule, Policy};
pub use profile::{
    Binding, IDENTITY_BINDING, PROFILE_ONLY, Profile, ProfileOnly, Shape, TrustConfigMap,
};
use reader::{Reader, Section};
pub use resources::Resources;
pub use schema::schema;
pub use values::{CHARTS_IMAGE, ConfigFile, Explicit};

/// Everything that decides how a pod is patched, apart from the pod itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The sidecar's image.
    pub image: Image,
    /// When the kubelet pulls it.
    pub image_pull_policy: ImagePullPolicy,
    /// Secrets to pull it with, appended to the pod's own.
    pub image_pull_secrets: Vec<ObjectName>,
    /// Whether sidecars are native ones unless a profile or an annotation overrides it.
    pub native_sidecar: bool,
    /// How the kubelet checks that the sidecar is ready.
    pub readiness_probe: ReadinessProbe,
    /// What the sidecar may use, unless a profile or an annotation overrides it.
    pub resources: Resources,
    /// Sets of settings that a pod chooses from by name.
    pub profiles: BTreeMap<String, Profile>,
    /// Limits for the annotations of a pod.
    pub policy: Policy,
}

impl Config {
    /// Reads the file's text: YAML, of which JSON is a part.
    ///
    /// # Errors
    /// Every error, with its path in the file.
    pub fn parse(yaml: &str) -> Result<Self, Vec<SettingError>> {
        let document = reader::document(yaml)?;
        if values::are_values(&document) {
            return Err(vec![values::not_the_file()]);
        }
        Self::at("", document)
    }

    fn at(path: &str, document: Value) -> Result<Self, Vec<SettingError>> {
        let mut reader = Reader::default();
        let config = Self::read(&mut reader, path, document);
        match config {
            Some(config) if reader.errors.is_empty() => Ok(config),
            _ => Err(reader.errors),
        }
    }

    fn read(reader: &mut Reader, path: &str, document: Value) -> Option<Self> {
        let mut top = reader.section(path, document)?;
        let image = reader.required(&mut top, "image", "the sidecar's image");
        let image_pull_policy =
            reader.parsed(&mut top, "imagePullPolicy").unwrap_or(ImagePullPolicy::IfNotPresent);
        let image_pull_secrets = pull_secrets(reader, &mut top);
        let sidecar_mode = reader.parsed(&mut top, "sidecarMode").unwrap_or(SidecarMode::Native);
        let readiness_probe =
            reader.parsed(&mut top, "readinessProbe").unwrap_or(ReadinessProbe::None);
        let resources = resources::read(reader, &mut top);
        let profiles = profiles(reader, &mut top);
        let policy = policy::read(reader, &mut top);
        reader.reject_rest(top);
        Some(Self {
            image: image?,
            image_pull_policy,
            image_pull_secrets,
            native_sidecar: sidecar_mode == SidecarMode::Native,
            readiness_probe,
            resources,
            profiles,
            policy,
        })
    }
}

/// Names, or objects with a name as a pod has them.
fn pull_secrets(reader: &mut Reader, top: &mut Section) -> Vec<ObjectName> {
    let mut names = Vec::new();
    for (path, item) in reader.list(top, "imagePullSecrets").unwrap_or_default() {
        if item.is_object() {
            let Some(mut entry) = reader.section(&path, item) else { continue };
            names.extend(reader.required(&mut entry, "name", "the Secret's name"));
            reader.reject_rest(entry);
        } else {
            names.extend(reader.value(&path, &item));
        }
    }
    names
}

fn profiles(reader: &mut Reader, top: &mut Section) -> BTreeMap<String, Profile> {
    let Some(section) = reader.subsection(top, "profiles") else { return BTreeMap::new() };
    let mut profiles = BTreeMap::new();
    for (name, path, value) in section.into_entries() {
        // A pod could not name it.
        if name.contains(',') {
            let expected = "a name without a comma, which separates profiles in an annotation";
            reader.errors.push(InvalidValue::expected(expected).at(path, name));
            continue;
        }
        profiles.extend(profile::read(reader, &path, value).map(|profile| (name, profile)));
    }
    profiles
}
