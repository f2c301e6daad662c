//! Pods that come a second time, as other webhooks have left them.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// An injected pod, changed by someone.
fn changed(annotations: &[(&str, &str)], change: impl Fn(&mut Value)) -> Value {
    let asks = [&[("inject", "true")], annotations].concat();
    let (_, mut pod) = admit(&config(), &prometheus(&asks));
    change(&mut pod);
    pod
}

fn our_container(pod: &mut Value) -> &mut Value {
    let all = pod["spec"]["initContainers"].as_array_mut().unwrap();
    all.iter_mut().find(|one| one["name"] == "prom-remotewrite").unwrap()
}

fn names(pod: &Value, list: &str) -> Vec<String> {
    let all = pod["spec"][list].as_array().unwrap().iter();
    all.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_lost_restart_policy_is_added_again() {
    let whole = changed(&[], |_| {});
    for lost in [Value::Null, json!("")] {
        let mut pod = changed(&[], |pod| our_container(pod)["restartPolicy"] = lost.clone());
        // Another init container after ours.
        let other = json!({"name": "other", "image": "a"});
        pod["spec"]["initContainers"].as_array_mut().unwrap().push(other);
        check(&pod, "repair", "incomplete", "another webhook has removed fields");
        let (_, repaired) = admit(&config(), &pod);
        assert_eq!(our_container(&mut repaired.clone())["restartPolicy"], "Always");
        check(&repaired, "skip", "already_injected", "");
    }
    let text = include_str!("../../../testdata/pods/restart-policy-lost.yaml");
    let lost: Value = serde_saphyr::from_str(text).unwrap();
    let (decision, mut repaired) = admit(&config(), &lost);
    assert_eq!(decision.word(), "repair");
    assert_eq!(our_container(&mut repaired)["restartPolicy"], "Always");
    assert_eq!(repaired["spec"]["initContainers"][0], lost["spec"]["initContainers"][0]);
    check(&whole, "skip", "already_injected", "");
}

#[test]
fn deliberate_changes_of_others_are_kept() {
    let pod = changed(&[], |pod| {
        let ours = our_container(pod);
        ours["resources"] = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
        ours["image"] = json!("mirror.example/prom-remotewrite:1.0.0");
        ours["livenessProbe"] = json!({"exec": {"command": ["true"]}});
        ours["env"].as_array_mut().unwrap().push(json!({"name": "OTHER", "value": "x"}));
    });
    let (decision, after) = admit(&config(), &pod);
    assert_eq!(decision.reason(), "already_injected", "{decision:?}");
    assert_eq!(after, pod);
}

#[test]
fn a_container_that_was_removed_comes_back_without_leftovers() {
    for profile in [
        "default",
        "application",
        "secret",
        "federated",
        "stack",
        "application,federated,tenants",
        "stack,tenants,application",
    ] {
        let whole = changed(&[("profile", profile)], |_| {});
        let mut pod = whole.clone();
        for list in ["initContainers", "containers"] {
            let all = pod["spec"][list].as_array_mut().unwrap();
            all.retain(|one| one["name"] != "prom-remotewrite");
        }
        // As the API server fills it in between two webhooks.
        for volume in pod["spec"]["volumes"].as_array_mut().unwrap() {
            for kind in ["secret", "configMap", "projected", "downwardAPI"] {
                if let Some(Value::Object(source)) = volume.get_mut(kind) {
                    source.insert("defaultMode".to_owned(), json!(420));
                }
            }
        }
        let (decision, after) = admit(&config(), &pod);
        assert_eq!(decision.word(), "inject", "{profile}");
        assert_eq!(decision.warnings(), [""; 0], "{profile}");
        for list in ["initContainers", "containers", "volumes", "imagePullSecrets"] {
            assert_eq!(names(&after, list), names(&whole, list), "{profile}");
        }
        let injected = "prom-remotewrite/injected";
        let annotations = "annotations";
        assert_eq!(
            after["metadata"][annotations][injected],
            whole["metadata"][annotations][injected]
        );
        check(&after, "skip", "already_injected", "");
    }
}

#[test]
fn a_volume_that_was_removed_comes_back() {
    let pod = changed(&[("profile", "federated")], |pod| {
        let volumes = pod["spec"]["volumes"].as_array_mut().unwrap();
        volumes.retain(|volume| volume["name"] != "prom-remotewrite-token");
    });
    check(&pod, "repair", "incomplete", "another webhook");
    let (_, after) = admit(&config(), &pod);
    assert_eq!(names(&after, "volumes").last().unwrap(), "prom-remotewrite-token");
    check(&after, "skip", "already_injected", "");
}

#[test]
fn each_volume_of_several_destinations_comes_back() {
    let whole = changed(&[("profile", "application,federated,tenants")], |_| {});
    let ours: Vec<String> =
        names(&whole, "volumes").into_iter().filter(|name| name.starts_with("prom-")).collect();
    let expected = ["cert", "cert-2", "token", "no-api-token"];
    let expected: Vec<String> =
        expected.iter().map(|name| format!("prom-remotewrite-{name}")).collect();
    assert_eq!(
        ours.iter().collect::<BTreeSet<_>>(),
        expected.iter().collect(),
        "two certificates, one token"
    );
    // One of them, and all at once.
    for lost in ours.iter().map(std::slice::from_ref).chain([ours.as_slice()]) {
        let mut pod = whole.clone();
        let volumes = pod["spec"]["volumes"].as_array_mut().unwrap();
        volumes.retain(|volume| !lost.iter().any(|name| volume["name"] == *name));
        let (decision, after) = admit(&config(), &pod);
        assert_eq!(decision.word(), "repair", "{lost:?}");
        let by_name = |pod: &Value| -> BTreeMap<String, Value> {
            let all = pod["spec"]["volumes"].as_array().unwrap().iter();
            all.map(|one| (one["name"].to_string(), one.clone())).collect()
        };
        assert_eq!(by_name(&after), by_name(&whole), "{lost:?}");
        check(&after, "skip", "already_injected", "");
    }
}

/// Where something has removed the container, and the pod then asks for less: what is
/// left of the other destination is a volume that nothing mounts, and that kubelets
/// therefore leave alone.
#[test]
fn nothing_of_a_destination_that_is_gone_is_used() {
    let mut pod = changed(&[("profile", "application,tenants")], |pod| {
        let all = pod["spec"]["initContainers"].as_array_mut().unwrap();
        all.retain(|one| one["name"] != "prom-remotewrite");
    });
    pod["metadata"]["annotations"]["prom-remotewrite/profile"] = json!("tenants");
    let (decision, after) = admit(&config(), &pod);
    assert_eq!(decision.word(), "inject");
    assert_eq!(names(&after, "volumes"), names(&pod, "volumes"));
    let ours = our_container(&mut after.clone()).to_string();
    assert!(!ours.contains("_TENANTS\"") && ours.contains("azure.cn"), "{ours}");
    assert!(ours.contains("\"prom-remotewrite-cert-2\""), "{ours}");
    assert!(!ours.contains("\"prom-remotewrite-cert\""), "{ours}");
    check(&after, "skip", "already_injected", "");
    // An existing container is kept unchanged, with a warning.
    let mut kept = changed(&[("profile", "application,tenants")], |_| {});
    kept["metadata"]["annotations"]["prom-remotewrite/profile"] = json!("application");
    check(&kept, "skip", "already_injected", "injected with other settings");
}

#[test]
fn a_numbered_volume_that_was_left_is_used_again() {
    let foreign = json!({"name": "prom-remotewrite-token", "emptyDir": {}});
    let mut pod = prometheus(&[("inject", "true"), ("profile", "federated")]);
    pod["spec"]["volumes"].as_array_mut().unwrap().push(foreign);
    let (_, whole) = admit(&config(), &pod);
    assert!(names(&whole, "volumes").contains(&"prom-remotewrite-token-2".to_owned()));
    let mut left = whole.clone();
    left["spec"]["initContainers"]
        .as_array_mut()
        .unwrap()
        .retain(|one| one["name"] != "prom-remotewrite");
    let (decision, after) = admit(&config(), &left);
    assert_eq!(decision.word(), "inject");
    assert_eq!(after, whole);
}

#[test]
fn a_sidecar_without_our_annotation_is_ours_still() {
    let injected = "prom-remotewrite/injected";
    let whole = changed(&[], |_| {});
    let mut pod = whole.clone();
    pod["metadata"]["annotations"].as_object_mut().unwrap().remove(injected);
    let (decision, after) = admit(&config(), &pod);
    assert_eq!((decision.word(), &after), ("repair", &whole), "{decision:?}");
    our_container(&mut pod)["restartPolicy"].take();
    assert_eq!(admit(&config(), &pod).1, whole);
    // It does not say of other settings that they are today's.
    our_container(&mut pod)["env"][0]["value"] = json!("https://other.example/x");
    let (_, after) = admit(&config(), &pod);
    assert_eq!(our_container(&mut after.clone())["restartPolicy"], "Always");
    assert_eq!(after["metadata"]["annotations"].get(injected), None);
}

#[test]
fn an_ordinary_sidecar_without_our_annotation_is_ours_still() {
    for profile in ["default", "federated", "secret"] {
        let whole = changed(&[("profile", profile), ("sidecar-mode", "container")], |_| {});
        let mut pod = whole.clone();
        pod["metadata"]["annotations"].as_object_mut().unwrap().remove("prom-remotewrite/injected");
        let (decision, after) = admit(&config(), &pod);
        assert_eq!((decision.word(), &after), ("repair", &whole), "{decision:?}");
    }
}

#[test]
fn an_annotation_alone_proves_nothing() {
    let injected = ("injected", "version=1.0.0 settings=000000000000");
    check(&prometheus(&[("inject", "true"), injected]), "inject", "asked_for", "");
    check(&prometheus(&[injected]), "skip", "not_asked_for", "");
    let mut foreign = prometheus(&[("inject", "true"), injected]);
    foreign["spec"]["containers"][0]["name"] = json!("prom-remotewrite");
    check(&foreign, "deny", "foreign_container", "rename it");
}
