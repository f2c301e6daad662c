//! The configuration as a part of the chart's values.

use contract::{Mistake, Rejected};
use serde_json::{Map, Value};

use super::{Config, reader};

/// The sidecar's image, where the chart's values do not say otherwise, without
/// its tag.
pub const CHARTS_IMAGE: &str = "ghcr.io/prom-remotewrite/prom-remotewrite";

impl Config {
    /// Reads the values of the chart, of which `config` is the file but for the
    /// image; `None` where `yaml` is no such values.
    ///
    /// # Errors
    /// Every mistake in that part, with its path in the values.
    pub fn parse_values(yaml: &str) -> Option<Result<Self, Vec<Mistake>>> {
        let document = reader::document(yaml).ok()?;
        if document.get("image").is_some() {
            return None;
        }
        let mut config = match document.get("config")? {
            Value::Object(config) => config.clone(),
            _ => Map::new(),
        };
        if config.contains_key("image") {
            let expected = "no such key: the chart's images say it";
            return Some(Err(vec![Rejected::expected(expected).at("config.image", "…")]));
        }
        config.insert("image".to_owned(), CHARTS_IMAGE.into());
        // The chart knows the cluster's version.
        if config.get("sidecarMode").is_some_and(|mode| mode == "auto") {
            config.remove("sidecarMode");
        }
        Some(Self::at("config", config.into()))
    }
}
