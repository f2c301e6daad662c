//! What is printed, and what is not. What an API server makes of it is tested with one.

use std::collections::BTreeSet;

use expect_test::expect_file;
use serde_json::{Value, json};

use super::*;
use crate::tests::{CONFIG, with_one_version};

fn only(profiles: &[&str]) -> Options {
    let profiles = profiles.iter().map(|name| (*name).to_owned()).collect();
    Options { profiles, namespace: None }
}

fn documents(text: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    all.into_iter().filter(|document| !document.is_null()).collect()
}

fn errors(text: &str, options: &Options) -> Vec<String> {
    policy(text, options).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn a_profile_as_it_is_printed() {
    let text = policy(CONFIG, &only(&["application"])).unwrap();
    let text = with_one_version(&text)
        .replace(&format!("policy {}", webhook::VERSION), "policy 1.0.0")
        .replace(&format!("version: \"{}\"", webhook::VERSION), "version: \"1.0.0\"");
    expect_file!["../../testdata/golden/policy.yaml"].assert_eq(&text);
}

#[test]
fn every_object_has_a_name_of_its_own() {
    let objects = documents(&policy(CONFIG, &Options::default()).unwrap());
    let names: BTreeSet<String> =
        objects.iter().map(|one| format!("{} {}", one["kind"], one["metadata"]["name"])).collect();
    // A namespace, three for each of seven profiles, four for all.
    assert_eq!((objects.len(), names.len()), (26, 26), "{names:?}");
}

#[test]
fn a_namespace_that_exists_is_not_printed() {
    let namespace = Some("monitoring".to_owned());
    let options = Options { namespace, ..Options::default() };
    let objects = documents(&policy(CONFIG, &options).unwrap());
    assert!(objects.iter().all(|one| one["kind"] != "Namespace"));
    let places: BTreeSet<&str> = objects
        .iter()
        .flat_map(|one| {
            [one.pointer("/metadata/namespace"), one.pointer("/spec/paramRef/namespace")]
        })
        .filter_map(|name| name?.as_str())
        .collect();
    assert_eq!(places, BTreeSet::from(["monitoring"]));
}

#[test]
fn pods_are_selected_as_the_chart_does_it() {
    let values = json!({
        "config": serde_saphyr::from_str::<Value>(CONFIG).unwrap(),
        "images": {"registry": "registry.example"},
        "webhook": {
            "excludedNamespaces": ["one", "kube-system"],
            "namespaceSelector": [{"key": "team", "operator": "Exists"}],
            "objectSelector": {"matchLabels": {"app": "prometheus"}},
        },
    });
    let mut values = values;
    values["config"].as_object_mut().unwrap().remove("image");
    let objects = documents(&policy(&values.to_string(), &only(&["default"])).unwrap());
    let constraints = objects.iter().filter_map(|one| one.pointer("/spec/matchConstraints"));
    let constraints: Vec<&Value> = constraints.collect();
    assert_eq!(constraints.len(), 3);
    for one in constraints {
        let expressions = &one["namespaceSelector"]["matchExpressions"];
        let names = json!(["kube-system", "kube-public", "kube-node-lease", "one"]);
        assert_eq!(expressions[0]["values"], names);
        assert_eq!(expressions[3], json!({"key": "team", "operator": "Exists"}));
        assert_eq!(one["objectSelector"], json!({"matchLabels": {"app": "prometheus"}}));
    }
    let image = objects.iter().find_map(|one| one.pointer("/data/image")?.as_str());
    assert!(image.unwrap().starts_with("registry.example/prom-remotewrite:"), "{image:?}");
}

#[test]
fn all_errors_come_together() {
    let config = "image: a/b:1\nprofiles:\n  half: {identityType: userAssigned}\n  long:\n    ingestionUrl: https://a.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/Microsoft-PrometheusMetrics/api/v1/write\n    identityType: systemAssigned\n    shutdownTimeout: 2h\n  'a b': {}\n";
    assert_eq!(
        errors(config, &Options::default()),
        [
            r#"profiles="a b": expected at most 63 letters, digits, - and _, with a letter or digit at both ends, as in team-a"#,
            "profiles.half.ingestionUrl is missing: expected the metrics ingestion URL with the data collection rule in its path",
            "profiles.half.clientId is missing: expected the identity's client id",
            r#"profiles.long.shutdownTimeout="2h": expected at most 1h, because the parameters of a policy list each grace period"#,
        ]
    );
    assert_eq!(
        errors(config, &only(&["haf", "half"])),
        [
            r#"--profile="haf": expected a profile of the configuration: a b, half, long (did you mean "half"?)"#,
            "profiles.half.ingestionUrl is missing: expected the metrics ingestion URL with the data collection rule in its path",
            "profiles.half.clientId is missing: expected the identity's client id",
        ]
    );
}

#[test]
fn without_profiles_nothing_is_printed() {
    assert_eq!(
        errors("image: a/b:1\n", &Options::default()),
        [
            "profiles is missing: expected at least one: without a webhook, all settings of a pod come from its profile"
        ]
    );
    assert!(errors("imag: a/b:1\n", &Options::default())[0].contains("imag"));
}

#[test]
fn names_that_would_be_one_are_told_apart() {
    let config = CONFIG.replace("  secret:", "  Team_A:").replace("  stack:", "  team-a:");
    assert_eq!(
        errors(&config, &Options::default()),
        [
            r#"profiles="team-a": expected a name that differs from "Team_A" in more than capitals and _, because objects are named after it"#
        ]
    );
}

/// Those of the repository, one for each kind of identity.
#[test]
fn the_examples_can_do_without_a_webhook() {
    let mut count = 0;
    for file in std::fs::read_dir("../../manifests/examples/profiles").unwrap() {
        let path = file.unwrap().path();
        let printed = policy(&std::fs::read_to_string(&path).unwrap(), &Options::default());
        assert!(printed.is_ok(), "{}: {:?}", path.display(), printed.err());
        count += 1;
    }
    assert!(count >= 5, "the examples have gone");
}
