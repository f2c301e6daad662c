//! The configuration as a part of the chart's values.

use contract::{InvalidValue, SettingError};
use serde_json::{Map, Value, json};

use super::{Config, Resources, reader};
use crate::VERSION;

/// The sidecar's image, by default, without its tag.
pub const CHARTS_IMAGE: &str = "ghcr.io/prom-remotewrite/prom-remotewrite";

/// Keys that the chart's values have and the file has not; one will do.
const CHARTS_KEYS: [&str; 3] = ["config", "images", "webhook"];

/// A configuration as people have it: the file, or values of the chart, of which
/// `config` is the file except for the image. With it comes what explanations
/// need and the webhook does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// The configuration.
    pub config: Config,
    /// Which of its settings are explicit; the others are defaults.
    pub explicit: Explicit,
    /// Namespaces about whose pods the webhook is not asked, besides those of the
    /// control plane. Only values of the chart tell.
    pub excluded_namespaces: Vec<String>,
    /// Whether it is values of the chart.
    pub is_values: bool,
}

/// The settings besides the image and profiles that a configuration states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explicit {
    /// `imagePullPolicy`.
    pub image_pull_policy: bool,
    /// `sidecarMode`.
    pub sidecar_mode: bool,
    /// `resources`, which replace the defaults as a whole.
    pub resources: bool,
}

impl ConfigFile {
    /// Reads the file's text, or that of values. The chart's own defaults stand
    /// for what values leave out, as when Helm merges them: the image's tag is
    /// then this program's version.
    ///
    /// # Errors
    /// Every error, with its path.
    pub fn parse(yaml: &str) -> Result<Self, Vec<SettingError>> {
        let document = reader::document(yaml)?;
        if are_values(&document) {
            return read(&document);
        }
        let explicit = explicit(&document);
        let config = Config::at("", document)?;
        Ok(Self { explicit, ..Self::from(config) })
    }
}

impl From<Config> for ConfigFile {
    /// A configuration that states nothing but itself.
    fn from(config: Config) -> Self {
        Self {
            config,
            explicit: Explicit::default(),
            excluded_namespaces: Vec::new(),
            is_values: false,
        }
    }
}

fn explicit(document: &Value) -> Explicit {
    let has = |key| document.get(key).is_some_and(|value| !value.is_null() && value != "");
    Explicit {
        image_pull_policy: has("imagePullPolicy"),
        sidecar_mode: has("sidecarMode"),
        resources: has("resources"),
    }
}

/// Whether this is not a configuration, but values that the chart makes one of.
pub(super) fn are_values(document: &Value) -> bool {
    document.get("image").is_none() && CHARTS_KEYS.iter().any(|key| document.get(key).is_some())
}

/// The error for values where the file itself is expected.
pub(super) fn not_the_file() -> SettingError {
    SettingError::missing(
        "image",
        "the webhook's configuration, but these are values of the chart, which renders that file from them: see the ConfigMap of an installed release",
    )
}

fn read(values: &Value) -> Result<ConfigFile, Vec<SettingError>> {
    let mut config = match values.get("config") {
        Some(Value::Object(config)) => config.clone(),
        None | Some(Value::Null) => Map::new(),
        // The reader reports what is wrong with it.
        Some(other) => return Config::at("config", other.clone()).map(ConfigFile::from),
    };
    if config.contains_key("image") {
        let expected = "no such key: the chart sets it from images";
        return Err(vec![InvalidValue::expected(expected).at("config.image", "…")]);
    }
    let removed = removed(values);
    if !removed.is_empty() {
        return Err(removed);
    }
    config.insert("image".to_owned(), image(values).into());
    // As Helm does, which keeps an older one otherwise.
    if let Some(Value::Object(profiles)) = config.get_mut("profiles") {
        profiles.retain(|_, profile| !profile.is_null());
    }
    if let Some(resources @ Value::Object(_)) = config.get_mut("resources") {
        let mut merged = usual_resources();
        json_patch::merge(&mut merged, resources);
        *resources = merged;
    }
    let config = Value::from(config);
    let explicit = explicit(&config);
    let config = Config::at("config", config)?;
    let excluded = values.pointer("/webhook/excludedNamespaces").and_then(Value::as_array);
    let names = excluded.into_iter().flatten().filter_map(Value::as_str);
    let excluded_namespaces = names.map(str::to_owned).collect();
    let file = ConfigFile { explicit, excluded_namespaces, ..ConfigFile::from(config) };
    Ok(ConfigFile { is_values: true, ..file })
}

/// Values of the image that the chart must have, and that a null takes out.
fn removed(values: &Value) -> Vec<SettingError> {
    let needed = ["images", "images.registry", "images.sidecar", "images.sidecar.name"];
    let is_null = |path: &&str| {
        values.pointer(&format!("/{}", path.replace('.', "/"))).is_some_and(Value::is_null)
    };
    let expected = "a value; null removes the chart's default, leave the key out to keep it";
    let error = |path: &str| InvalidValue::expected(expected).at(path, "null");
    needed.into_iter().filter(is_null).map(error).collect()
}

/// As the chart puts it together: the image's own registry and tag win over those of all
/// images, and a digest over the tag.
fn image(values: &Value) -> String {
    let text =
        |path: &str| values.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
    let own = |key: &str| text(&format!("/images/sidecar/{key}"));
    let (registry, name) = CHARTS_IMAGE.rsplit_once('/').unwrap_or_default();
    let registry = own("registry").or_else(|| text("/images/registry")).unwrap_or(registry);
    let name = own("repository").or_else(|| own("name")).unwrap_or(name);
    let image = format!("{}/{name}", registry.trim_end_matches('/'));
    if let Some(digest) = own("digest") {
        return format!("{image}@{digest}");
    }
    let tag = own("tag").or_else(|| text("/images/tag")).unwrap_or(VERSION);
    format!("{image}:{tag}")
}

/// Helm merges what is given into these, and a null takes one out.
fn usual_resources() -> Value {
    let Resources { cpu_request, cpu_limit, memory_request, memory_limit } = Resources::default();
    let text = |amount: Option<contract::Quantity>| amount.map(|amount| amount.to_string());
    json!({
        "requests": {"cpu": text(cpu_request), "memory": text(memory_request)},
        "limits": {"cpu": text(cpu_limit), "memory": text(memory_limit)},
    })
}
