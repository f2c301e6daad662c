//! Alerts and dashboard: what real Prometheus makes of them, over metrics of a real run,
//! and that they match the documentation.

mod alerts;
mod dashboard;
mod metrics;
mod rules;
mod run;

pub(crate) use rules::alerts;

use std::{fs, path::PathBuf};

use tests::machine::environment;

/// Below `manifests`.
fn manifest(name: &str) -> PathBuf {
    environment::crate_folder().join("../manifests").join(name)
}

fn read(name: &str) -> String {
    let file = manifest(name);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
