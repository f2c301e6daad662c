//! Pods that come a second time, as other webhooks have left them.

use super::*;

/// An injected pod, changed by somebody.
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
fn what_others_change_on_purpose_stays() {
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
    for profile in ["default", "application", "secret", "federated", "stack"] {
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
fn an_annotation_alone_proves_nothing() {
    let injected = ("injected", "version=1.0.0 settings=000000000000");
    check(&prometheus(&[("inject", "true"), injected]), "inject", "asked_for", "");
    check(&prometheus(&[injected]), "skip", "not_asked_for", "");
    let mut foreign = prometheus(&[("inject", "true"), injected]);
    foreign["spec"]["containers"][0]["name"] = json!("prom-remotewrite");
    check(&foreign, "deny", "foreign_container", "rename it");
}
