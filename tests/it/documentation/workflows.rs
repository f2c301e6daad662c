//! What CI takes from others is pinned by hash, and rights are given to single jobs.

use std::fs;

use serde_json::Value;

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
            if line.1.starts_with("./") {
                continue;
            }
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

/// A step that may write declares it, and no other may.
#[test]
fn rights_are_given_where_they_are_needed() {
    for name in ["ci.yml", "nightly.yml", "release.yml"] {
        let workflow: Value = serde_saphyr::from_str(&read(name)).unwrap();
        assert_eq!(workflow["permissions"], serde_json::json!({"contents": "read"}), "{name}");
    }
}

/// A workflow's steps are all those of `.ci/run`: none is forgotten when one is added.
#[test]
fn every_step_of_the_gate_is_a_job() {
    let script = fs::read_to_string(root().join(".ci/run")).unwrap();
    let listed = |name: &str| {
        let (_, rest) = script.split_once(&format!("\n{name}=(")).unwrap();
        let names = rest.split_once(')').unwrap().0.split(' ');
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let steps = |name: &str, job: &str| {
        let workflow: Value = serde_saphyr::from_str(&read(name)).unwrap();
        let steps = workflow["jobs"][job]["strategy"]["matrix"]["step"].clone();
        serde_json::from_value::<Vec<String>>(steps).unwrap()
    };
    assert_eq!(steps("ci.yml", "check"), listed("STEPS"));
    assert_eq!(steps("nightly.yml", "check"), listed("APART"));
}
