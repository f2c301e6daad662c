//! Files as people have them, in the shapes that Microsoft documented from 2022
//! on and that public repositories show. What comes out is beside each, in
//! `testdata/golden/migrate`; `UPDATE_EXPECT=1` writes it anew.

mod destinations;
mod identities;
mod in_place;
mod mounts;
mod names;
mod newcomers;
mod properties;
mod shapes;

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use contract::Settings;
use expect_test::expect_file;
use serde_json::Value;
use webhook::config::Config;

use super::*;
use crate::{manifests, yaml::read};

/// Every file with its name.
fn files() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/migrate");
    let mut files: Vec<(String, String)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    assert!(files.len() >= 11, "{} files", files.len());
    files
}

fn migrated(text: &str) -> Migration {
    with_release(text, "default", "")
}

/// The first profile is to be called `first`, beside those of a release.
fn with_release(text: &str, first: &str, release: &str) -> Migration {
    migrate(text, Profiles::new(first, release).unwrap()).unwrap()
}

/// What a person has to look at: the file, the profiles, and what is left to do.
fn golden(migration: &Migration) -> String {
    let said: String = migration.attempts.iter().map(ToString::to_string).collect();
    let notes = migration.notes.iter().map(|note| format!("note: {note}\n"));
    let said = notes.fold(said, |text, note| text + &note);
    let text = migration.text.trim_end();
    format!("{text}\n# said\n{said}# values\n{}", migration.profiles.values())
}

/// All that is written and said, as one text.
fn report(migration: &Migration) -> String {
    let mut text = format!("{}\n# said\n", migration.text.trim_end());
    for attempt in &migration.attempts {
        let _ = write!(text, "{attempt}");
    }
    let _ = write!(text, "# values\n{}# comparison\n", migration.profiles.values());
    for migrated in migration.attempts.iter().filter_map(|attempt| attempt.result.as_ref().ok()) {
        text.push_str(&migrated.comparison());
    }
    text
}

#[test]
fn every_file_comes_out_as_it_is_written_down() {
    for (name, text) in files() {
        let path = format!("../../testdata/golden/migrate/{name}.txt");
        expect_file![path].assert_eq(&golden(&migrated(&text)));
    }
}

#[test]
fn the_result_migrates_to_itself() {
    for (name, text) in files() {
        let once = migrated(&text);
        let twice = migrated(&once.text);
        assert_eq!(twice.text, once.text, "{name}");
        assert!(twice.attempts.iter().all(|attempt| attempt.result.is_err()), "{name}");
        let stays = |migration: &Migration| {
            migration.attempts.iter().filter(|attempt| attempt.result.is_err()).count()
        };
        assert_eq!(stays(&twice), stays(&once), "{name}");
        assert_eq!(twice.is_whole(), stays(&once) == 0, "{name}");
    }
}

/// Lines that are not ours stay, in their order.
#[test]
fn nothing_is_written_but_annotations_and_urls() {
    for (name, text) in files() {
        let result = migrated(&text).text;
        let mut before = text.lines();
        for line in result.lines() {
            let ours = [
                "prom-remotewrite/",
                "annotations:",
                "podMetadata:",
                "podAnnotations:",
                "http://localhost:",
            ];
            let found = before.clone().any(|old| old == line);
            if found {
                before.find(|old| *old == line);
            } else {
                // JSON loses a comma where an item was the last.
                let comma = format!("{line},");
                let known = ours.iter().any(|word| line.contains(word))
                    || text.lines().any(|old| old == comma);
                assert!(known, "{name}: {line}");
            }
        }
    }
}

/// By another way than the migration's own check: the values are read as the
/// chart renders them, the text is injected, and the sidecar's variables are
/// read as the sidecar reads them.
#[test]
fn the_injected_sidecar_has_the_settings_of_the_written_one() {
    let mut compared = 0;
    for name in ["statefulset.json", "deployment-collector.yaml"] {
        let (_, text) = files().into_iter().find(|(other, _)| other == name).unwrap();
        let migration = migrated(&text);
        let values: Value = serde_saphyr::from_str(&migration.profiles.values()).unwrap();
        let mut config = values["config"].clone();
        // As the note about the collector's asks for.
        let profile = config["profiles"]["default"].as_object_mut().unwrap();
        for (key, digit) in [("clientId", "3"), ("tenantId", "2")] {
            let id = format!("{}-0000-0000-0000-000000000000", digit.repeat(8));
            profile.entry(key).or_insert_with(|| id.into());
        }
        config["image"] = "ghcr.io/prom-remotewrite/prom-remotewrite:1.0.0".into();
        let config = Config::parse(&config.to_string()).unwrap();
        let injected = manifests::inject(&config.into(), &migration.text).unwrap();
        let (before, after) = (sidecars(&text), sidecars(&injected.text));
        assert_eq!(before.len(), after.len(), "{name}");
        for (before, after) in before.into_iter().zip(after) {
            let (before, mut after) = (settings(&before), settings(&after));
            after.limits.shutdown_timeout = before.limits.shutdown_timeout;
            after.cluster.clone_from(&before.cluster);
            let kind = before.identity.kind();
            assert_eq!(after.identity.kind(), kind);
            let variables = |settings: &Settings| {
                let paths = ["AZURE_FEDERATED_TOKEN_FILE", "NATIVE_SIDECAR"];
                let mut variables: BTreeMap<_, _> = settings.to_env().into_iter().collect();
                variables.retain(|name, _| !paths.contains(name));
                variables
            };
            assert_eq!(variables(&after), variables(&before), "{name}");
            compared += 1;
        }
    }
    assert_eq!(compared, 2);
}

fn sidecars(text: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for document in documents(text) {
        let value = read(document).unwrap();
        let spec = &value["spec"]["template"]["spec"];
        for list in ["initContainers", "containers"] {
            let containers = spec[list].as_array().cloned().unwrap_or_default();
            found.extend(
                containers.into_iter().filter(|container| container["name"] == "prom-remotewrite"),
            );
        }
    }
    found
}

/// The sidecar's own reading, with what azure-workload-identity would add.
fn settings(container: &Value) -> Settings {
    let says = |name: &str| {
        let variables = container["env"].as_array().unwrap();
        let found = variables.iter().find(|variable| variable["name"] == name)?;
        found["value"].as_str().map(str::to_owned)
    };
    let added = |name: &str| match name {
        "AZURE_CLIENT_ID" => Some("33333333-0000-0000-0000-000000000000".to_owned()),
        "AZURE_TENANT_ID" => Some("22222222-0000-0000-0000-000000000000".to_owned()),
        "AZURE_FEDERATED_TOKEN_FILE" => Some("/token".to_owned()),
        _ => None,
    };
    Settings::from_env(|name| says(name).or_else(|| added(name))).unwrap()
}

/// The pod but for the sidecar and the volumes that are its alone, or ours, and
/// our annotations.
fn others(pod: &str, migrated: &Migrated) -> Value {
    // A placeholder as it is written need not be YAML.
    let mut pod: Value = serde_saphyr::from_str(&pod.replace("{{", "").replace("}}", "")).unwrap();
    let sources: Vec<&str> = migrated.source.split('"').skip(1).step_by(2).collect();
    let is_ours = |item: &Value| {
        let name = item["name"].as_str().unwrap_or_default();
        sources.contains(&name) || name.starts_with("prom-remotewrite")
    };
    let mut mounted = Vec::new();
    for list in ["containers", "initContainers"] {
        if let Some(Value::Array(items)) = pod["spec"].get_mut(list) {
            items.retain(|item| !is_ours(item));
            let mounts = items.iter().filter_map(|item| item["volumeMounts"].as_array()).flatten();
            mounted.extend(mounts.map(|mount| mount["name"].clone()));
        }
    }
    if let Some(Value::Array(volumes)) = pod["spec"].get_mut("volumes") {
        volumes.retain(|volume| mounted.contains(&volume["name"]));
    }
    if let Some(Value::Object(annotations)) = pod.pointer_mut("/metadata/annotations") {
        annotations.retain(|name, _| !name.starts_with("prom-remotewrite/"));
    }
    without_nothing(pod)
}

fn without_nothing(value: Value) -> Value {
    let is_nothing = |value: &Value| {
        value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(serde_json::Map::is_empty)
    };
    match value {
        Value::Object(map) => {
            let entries = map.into_iter().map(|(key, value)| (key, without_nothing(value)));
            entries
                .filter(|(_, value)| !is_nothing(value))
                .collect::<serde_json::Map<_, _>>()
                .into()
        }
        other => other,
    }
}

#[test]
fn other_fields_of_the_pod_are_the_same() {
    let mut seen = 0;
    for (name, text) in files() {
        for attempt in migrated(&text).attempts {
            let Ok(migrated) = attempt.result else { continue };
            let [before, after] = &migrated.pods;
            assert_eq!(others(after, &migrated), others(before, &migrated), "{name}");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}
