//! There is one version: the workspace's. Chart, images, examples and change log
//! repeat it, and everything is released together.

use std::fs;

use serde_json::Value;

use super::root;

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn version() -> String {
    let manifest = read("Cargo.toml");
    let (_, package) = manifest.split_once("[workspace.package]").unwrap();
    package.split('"').nth(1).unwrap().to_owned()
}

#[test]
fn every_crate_has_the_workspaces_version() {
    let manifest = read("Cargo.toml");
    let members = manifest.split_once("members = [").unwrap().1.split_once(']').unwrap().0;
    for member in members.split(',').map(|member| member.trim().trim_matches('"')) {
        let text = read(&format!("{member}/Cargo.toml"));
        assert!(text.contains("version.workspace = true"), "{member} has a version of its own");
    }
    assert_eq!(version(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_chart_and_its_images_have_it() {
    let chart: Value = serde_saphyr::from_str(&read("manifests/chart/Chart.yaml")).unwrap();
    assert_eq!(chart["version"], version());
    assert_eq!(chart["appVersion"], version());
    let plain = read("manifests/install.yaml");
    let images: Vec<&str> =
        plain.lines().filter(|line| line.contains("ghcr.io/prom-remotewrite/")).collect();
    assert!(images.len() > 3, "{images:?}");
    for line in images {
        assert!(line.trim_matches('"').ends_with(&format!(":{}", version())), "{line}");
    }
}

/// A version that is not released yet stands under Unreleased.
#[test]
fn the_change_log_has_it() {
    let log = read("CHANGELOG.md");
    let heading = format!("\n## {} - ", version());
    let unreleased = log.contains("\n## Unreleased\n");
    assert!(log.contains(&heading) || unreleased, "CHANGELOG.md knows no {}", version());
    let dates = log.lines().filter_map(|line| line.strip_prefix("## ")?.split_once(" - "));
    for (version, date) in dates {
        let numbers: Vec<&str> = date.split('-').collect();
        assert_eq!(numbers.len(), 3, "{version} - {date}");
    }
}
