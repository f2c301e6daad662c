//! There is one version: the workspace's. Crates and the plain YAML repeat it;
//! `release.rs` has chart and change log, `examples/gitops.rs` the examples.

use std::fs;

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
fn the_images_of_the_plain_yaml_have_it() {
    let plain = read("manifests/install.yaml");
    let images: Vec<&str> =
        plain.lines().filter(|line| line.contains("ghcr.io/prom-remotewrite/")).collect();
    assert_eq!(images.len(), 3, "{images:?}");
    for line in images {
        assert!(line.trim_matches('"').ends_with(&format!(":{}", version())), "{line}");
    }
}
