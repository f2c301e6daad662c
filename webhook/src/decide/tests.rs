mod denied;
mod lists;
mod meshes;
mod repaired;
mod resources;
mod unusual;

use serde_json::{Value, json};

use super::*;
use crate::tests::{admit, config, prometheus, small};

/// Decision, reason, and a part of the message.
fn check(pod: &Value, word: &str, reason: &str, said: &str) {
    let decision = decide(&config(), Pod::new(pod));
    assert_eq!((decision.word(), decision.reason()), (word, reason), "{decision:?}");
    let text = match &decision {
        Decision::Deny(denial) => denial.message.clone(),
        _ => decision.warnings().join("\n"),
    };
    assert!(text.contains(said), "{text:?} lacks {said:?}");
    assert!(said.is_empty() == text.is_empty(), "{text:?}");
    assert!(decision.warnings().iter().all(|warning| warning.chars().count() <= 256), "{text}");
}

#[test]
fn pods_without_the_annotation_are_unchanged() {
    check(&json!(null), "skip", "not_asked_for", "");
    check(&json!({}), "skip", "not_asked_for", "");
    check(&prometheus(&[]), "skip", "not_asked_for", "");
    check(&prometheus(&[("inject", "false")]), "skip", "opted_out", "");
    check(&prometheus(&[("inject", " false ")]), "skip", "opted_out", "");
    let off_and_wrong = prometheus(&[("inject", "false"), ("clientid", "x")]);
    check(&off_and_wrong, "skip", "opted_out", "");
    check(&prometheus(&[("profile", "default")]), "skip", "not_asked_for", "no effect without");
    let misspelt = prometheus(&[("injct", "true")]);
    let hint = "did you mean \"prom-remotewrite/inject\"?";
    check(&misspelt, "skip", "not_asked_for", hint);
    check(&misspelt, "skip", "not_asked_for", "no effect without");
    let both = prometheus(&[("Inject", "true"), ("profle", "default")]);
    check(&both, "skip", "not_asked_for", "did you mean \"prom-remotewrite/profile\"?");
}

#[test]
fn every_spelling_of_yes_and_no_counts() {
    for no in ["False", "no", "off", "0", "", "N", "'false'"] {
        let decision = decide(&config(), Pod::new(&prometheus(&[("inject", no), ("cloud", "x")])));
        assert_eq!(decision.reason(), "opted_out", "{no:?}");
        assert!(decision.warnings()[0].contains("write \"false\""), "{:?}", decision.warnings());
    }
    for yes in ["True", "yes", "on", "1"] {
        check(&prometheus(&[("inject", yes)]), "inject", "asked_for", "is read as \"true\"");
    }
    check(&prometheus(&[("inject", "ture")]), "deny", "bad_annotations", "did you mean \"true\"?");
}

#[test]
fn annotated_pods_get_a_sidecar() {
    check(&prometheus(&[("inject", "true")]), "inject", "asked_for", "");
    check(&prometheus(&[("inject", " true")]), "inject", "asked_for", "");
    check(&small(&json!({})), "inject", "asked_for", "");
}

#[test]
fn pods_with_a_sidecar_keep_it() {
    let config = config();
    let (_, injected) = admit(&config, &prometheus(&[("inject", "true")]));
    check(&injected, "skip", "already_injected", "");
    let mut stale = injected;
    stale["metadata"]["annotations"]["prom-remotewrite/log-level"] = json!("debug");
    check(&stale, "skip", "already_injected", "injected with other settings (version=");
    let by_name = json!({"name": "prom-remotewrite", "image": "example/other", "env": [
        {"name": "INGESTION_URL", "value": "https://example.com"},
    ]});
    let by_microsoft = json!({"name": "rw", "image":
        "mcr.microsoft.com/azuremonitor/containerinsights/ciprod/prometheus-remote-write/images:prom-remotewrite-20230505.1",
    });
    let by_microsoft_until_2023 = json!({"name": "rw", "image":
        "mcr.microsoft.com/azuremonitor/prometheus/promdev/prom-remotewrite:prom-remotewrite-20221012.2",
    });
    let by_variables = json!({"name": "rw", "image": "registry.example/azure-monitor:1", "env": [
        {"name": "INGESTION_URL", "value": "https://example.com"},
        {"name": "IDENTITY_TYPE", "value": "userAssigned"},
    ]});
    let by_our_image =
        json!({"name": "prom-remotewrite", "image": "ghcr.io/example/prom-remotewrite@sha256:00"});
    for (container, name) in [
        (by_name, "prom-remotewrite"),
        (by_microsoft, "rw"),
        (by_microsoft_until_2023, "rw"),
        (by_variables, "rw"),
        (by_our_image, "prom-remotewrite"),
    ] {
        for list in ["containers", "initContainers"] {
            let mut pod = prometheus(&[("inject", "true")]);
            pod["spec"][list].as_array_mut().unwrap().push(container.clone());
            check(&pod, "skip", "hand_written", &format!("container {name:?} is a remote-write"));
        }
    }
}

#[test]
fn a_mirror_pod_cannot_be_changed() {
    let mut pod = prometheus(&[("inject", "true")]);
    pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = json!("x");
    check(&pod, "skip", "mirror_pod", "static pod");
}
