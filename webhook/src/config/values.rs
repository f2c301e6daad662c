//! The configuration as a part of the chart's values.

use contract::{Mistake, Rejected};
use serde_json::{Map, Value, json};

use super::{Config, Resources, reader};

/// The sidecar's image, where the chart's values do not say otherwise, without
/// its tag.
pub const CHARTS_IMAGE: &str = "ghcr.io/prom-remotewrite/prom-remotewrite";

/// Keys that the chart's values have and the file has not; one will do.
const CHARTS_KEYS: [&str; 3] = ["config", "images", "webhook"];

impl Config {
    /// Reads the values of the chart, of which `config` is the file but for the
    /// image; `None` where `yaml` is no such values. The chart's own defaults
    /// stand for what they leave out, as when Helm merges them: the image's tag
    /// is then `version`, this program's.
    ///
    /// # Errors
    /// Every mistake in that part, with its path in the values.
    pub fn parse_values(yaml: &str, version: &str) -> Option<Result<Self, Vec<Mistake>>> {
        let document = reader::document(yaml).ok()?;
        are_values(&document).then(|| read(&document, version))
    }
}

/// Whether this is no configuration, but values that the chart makes one of.
pub(super) fn are_values(document: &Value) -> bool {
    document.get("image").is_none() && CHARTS_KEYS.iter().any(|key| document.get(key).is_some())
}

/// What whoever wants the file itself is told about values.
pub(super) fn not_the_file() -> Mistake {
    Mistake::missing(
        "image",
        "the webhook's configuration, and these are values of the chart, which makes that file of them: see the ConfigMap of an installed release",
    )
}

fn read(values: &Value, version: &str) -> Result<Config, Vec<Mistake>> {
    let mut config = match values.get("config") {
        Some(Value::Object(config)) => config.clone(),
        None | Some(Value::Null) => Map::new(),
        // The reader says what is wrong with it.
        Some(other) => return Config::at("config", other.clone()),
    };
    if config.contains_key("image") {
        let expected = "no such key: the chart's images say it";
        return Err(vec![Rejected::expected(expected).at("config.image", "…")]);
    }
    config.insert("image".to_owned(), image(values, version).into());
    // The chart knows the cluster's version.
    if config.get("sidecarMode").is_some_and(|mode| mode == "auto") {
        config.remove("sidecarMode");
    }
    if let Some(given @ Value::Object(_)) = config.get_mut("resources") {
        let mut merged = usual_resources();
        json_patch::merge(&mut merged, given);
        *given = merged;
    }
    let config = Config::at("config", config.into())?;
    let excluded = values.pointer("/webhook/excludedNamespaces").and_then(Value::as_array);
    let names = excluded.into_iter().flatten().filter_map(Value::as_str);
    Ok(Config { excluded_namespaces: names.map(str::to_owned).collect(), ..config })
}

/// As the chart puts it together: a digest wins over the tag.
fn image(values: &Value, version: &str) -> String {
    let text = |path| values.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (registry, name) = CHARTS_IMAGE.rsplit_once('/').unwrap_or_default();
    let registry = text("/images/registry").unwrap_or(registry).trim_end_matches('/');
    let name = text("/images/sidecar/name").unwrap_or(name);
    match text("/images/sidecar/digest") {
        Some(digest) => format!("{registry}/{name}@{digest}"),
        None => format!("{registry}/{name}:{}", text("/images/tag").unwrap_or(version)),
    }
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
