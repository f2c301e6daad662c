//! What the tests of several modules start from.

mod corpus;

use serde_json::{Value, json};
use webhook::{
    VERSION,
    config::{Config, ConfigFile},
};

pub(crate) const CONFIG: &str = include_str!("../../testdata/config.yaml");

pub(crate) fn config() -> Config {
    Config::parse(CONFIG).unwrap()
}

pub(crate) fn config_file() -> ConfigFile {
    ConfigFile::parse(CONFIG).unwrap()
}

/// A text in which the webhook and the chart's image are of version 1.0.0.
pub(crate) fn with_one_version(text: &str) -> String {
    text.replace(&format!("version={VERSION} "), "version=1.0.0 ")
        .replace(&format!("/prom-remotewrite:{VERSION}"), "/prom-remotewrite:1.0.0")
}

/// The pod that kube-prometheus-stack's `StatefulSet` creates, with our annotations.
pub(crate) fn prometheus(annotations: &[(&str, &str)]) -> Value {
    let text = include_str!("../../testdata/kube-prometheus-stack-88.5.3-pod.json");
    let mut pod: Value = serde_json::from_str(text).unwrap();
    for (name, value) in annotations {
        pod["metadata"]["annotations"][format!("prom-remotewrite/{name}")] = json!(value);
    }
    pod
}
