//! What CI takes from others is pinned by hash, and what the release makes has
//! the names that chart and pages use.

use std::fs;

use serde_json::Value;
use tests::binaries::{CERTS, SIDECAR, WEBHOOK};

use super::root;

fn read(name: &str) -> String {
    fs::read_to_string(root().join(".github/workflows").join(name)).unwrap()
}

#[test]
fn every_action_is_pinned_by_hash_and_says_its_version() {
    let mut seen = 0;
    for entry in fs::read_dir(root().join(".github/workflows")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines().filter_map(|line| line.split_once("uses: ")) {
            let (_, pin) = line.1.split_once('@').unwrap();
            let (hash, version) = pin.split_once(" # v").unwrap_or((pin, ""));
            assert_eq!(hash.len(), 40, "{}", line.1);
            assert!(hash.chars().all(|c| c.is_ascii_hexdigit()), "{}", line.1);
            assert!(!version.is_empty(), "{}", line.1);
            seen += 1;
        }
    }
    assert!(seen > 6, "{seen}");
}

#[test]
fn the_release_makes_what_the_chart_takes() {
    let release: Value = serde_saphyr::from_str(&read("release.yml")).unwrap();
    let programs = release["env"]["PROGRAMS"].as_str().unwrap();
    assert_eq!(programs.split(' ').collect::<Vec<_>>(), [SIDECAR, WEBHOOK, CERTS]);
    let values = fs::read_to_string(root().join("manifests/chart/values.yaml")).unwrap();
    let values: Value = serde_saphyr::from_str(&values).unwrap();
    for (image, program) in [("sidecar", SIDECAR), ("webhook", WEBHOOK), ("certs", CERTS)] {
        assert_eq!(values["images"][image]["name"], program);
    }
    let owner = release["env"]["REGISTRY"].as_str().unwrap().rsplit('/').next().unwrap();
    assert_eq!(owner, "${{ github.repository_owner }}");
    assert!(values["images"]["registry"].as_str().unwrap().starts_with("ghcr.io/"));
}

/// A step that may write says so, and nothing else may.
#[test]
fn rights_are_given_where_they_are_needed() {
    for name in ["ci.yml", "release.yml"] {
        let workflow: Value = serde_saphyr::from_str(&read(name)).unwrap();
        assert_eq!(workflow["permissions"], serde_json::json!({"contents": "read"}), "{name}");
    }
}
