//! Every file in `manifests/examples` works as described: those for the cluster are
//! accepted by the definitions of their kinds, values are rendered, and their pods get
//! the sidecar that they name, without a warning.
//!
//! `profiles/` is checked with the chart, in `chart/acceptance.rs`.

mod gitops;
mod kinds;
mod pods;
mod relabelling;

use std::{fs, path::PathBuf};

use serde_json::Value;
use webhook::config::Config;

use crate::chart::helm;

/// A file's text.
pub(crate) fn read(name: &str) -> String {
    let file = helm::examples().join(name);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The names of a folder's files, in order.
pub(crate) fn list(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(helm::examples().join(folder)).unwrap();
    let files = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let name = |file: PathBuf| file.file_name().unwrap().display().to_string();
    let mut names: Vec<String> = files.map(name).map(|name| format!("{folder}/{name}")).collect();
    names.sort();
    names
}

/// The webhook's configuration with the profiles of an example.
pub(crate) fn config(profile: &str) -> Config {
    let values: Value = serde_saphyr::from_str(&read(&format!("profiles/{profile}.yaml"))).unwrap();
    let mut config = values["config"].clone();
    config["image"] = "ghcr.io/prom-remotewrite/prom-remotewrite:0.1.0".into();
    Config::parse(&config.to_string()).unwrap()
}

#[test]
fn no_example_is_left_out() {
    let folders = ["profiles", "kube-prometheus-stack", "secret-provider-class", "gitops"];
    let mut found: Vec<String> = fs::read_dir(helm::examples())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().display().to_string())
        .collect();
    found.sort();
    let files = ["README.md", "aks-automatic.yaml", "network-policies.yaml"];
    let objects = ["prometheus.yaml", "statefulset.yaml"];
    let mut known = [&folders[..], &files, &objects].concat();
    known.sort_unstable();
    assert_eq!(found, known);
    let readme = read("README.md");
    for name in folders.iter().flat_map(|folder| list(folder)) {
        assert!(readme.contains(&name), "README.md does not name {name}");
    }
}
