//! Pods that are written down: the webhook's golden ones, those that meshes leave, and
//! what other webhooks make of an injected one.

use std::fs;

use contract::annotations::{INJECTED, PREFIX};
use serde_json::{Value, json};
use tests::machine::environment;

use crate::chart::{injected::sidecar, objects::text, trial};

/// The pod of kube-prometheus-stack with our annotations.
pub(crate) fn prometheus(annotations: &[(&str, &str)]) -> Value {
    trial::pod("", "one", annotations)
}

fn files(folder: &str) -> Vec<(String, Value)> {
    let folder = environment::crate_folder().join("../webhook/testdata").join(folder);
    let mut found: Vec<(String, Value)> = fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            let text = fs::read_to_string(file.path()).unwrap();
            (file.file_name().display().to_string(), serde_saphyr::from_str(&text).unwrap())
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// The pods of the webhook's golden files, before the webhook.
pub(crate) fn golden() -> Vec<(String, Value)> {
    let before = |(name, mut pod): (String, Value)| {
        let (list, container) = sidecar(&pod).unwrap();
        let mounts = container["volumeMounts"].as_array().into_iter().flatten();
        let ours: Vec<String> = mounts.map(|mount| text(mount, "/name").to_owned()).collect();
        let spec = &mut pod["spec"];
        remove(&mut spec[list], |name| name == contract::names::CONTAINER);
        let added = |name: &str| name.starts_with(contract::names::CONTAINER);
        remove(&mut spec["volumes"], |name| added(name) && ours.iter().any(|one| one == name));
        unmark(&mut pod);
        (name, as_created(&pod))
    };
    let pods: Vec<_> = files("golden").into_iter().map(before).collect();
    assert!(pods.len() >= 8, "the golden files have gone");
    pods
}

/// Pods as the injectors of meshes leave them.
pub(crate) fn meshes() -> Vec<(String, Value)> {
    let pods: Vec<_> =
        files("pods").into_iter().map(|(name, pod)| (name, as_created(&pod))).collect();
    assert!(pods.len() >= 4, "the pods of meshes have gone");
    pods
}

/// Pods that ask azure-workload-identity for an identity binding, whose webhook is called
/// after the policies, and a pod with a nameless pull secret, which API servers accept.
pub(crate) fn neighbours() -> Vec<(String, Value)> {
    let mut pods = Vec::new();
    for profile in ["default", "federated", "federated-bound"] {
        for asks in ["true", "True", "false"] {
            let mut pod = prometheus(&[("inject", "true"), ("profile", profile)]);
            pod["metadata"]["annotations"]["azure.workload.identity/use-identity-binding"] =
                json!(asks);
            pods.push((format!("{profile} and an identity binding: {asks}"), pod));
        }
    }
    let mut pod = prometheus(&[("inject", "true")]);
    pod["spec"]["imagePullSecrets"] = json!([{}, {"name": "other"}]);
    pods.push(("a nameless pull secret".to_owned(), pod));
    pods
}

/// Pods as a kubelet makes them of static ones.
pub(crate) fn mirrors() -> [Value; 2] {
    ["true", "perhaps"].map(|inject| {
        let annotations =
            json!({"prom-remotewrite/inject": inject, "kubernetes.io/config.mirror": "x"});
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "one", "annotations": annotations},
            "spec": {"nodeName": "node", "containers": [{"name": "one", "image": "one"}]},
        })
    })
}

/// What someone would create: without what a cluster has given it.
fn as_created(pod: &Value) -> Value {
    let mut spec = pod["spec"].clone();
    for field in ["nodeName", "serviceAccount", "serviceAccountName", "priority", "tolerations"] {
        spec.as_object_mut().unwrap().remove(field);
    }
    remove(&mut spec["volumes"], |name| name.starts_with("kube-api-access-"));
    // Some have other volumes than the pod that they were made of, and its mounts.
    let volumes = spec["volumes"].as_array().cloned().unwrap_or_default();
    let is_there = |name: &str| volumes.iter().any(|volume| text(volume, "/name") == name);
    for list in ["containers", "initContainers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            remove(&mut container["volumeMounts"], |name| !is_there(name));
        }
    }
    let mut metadata = json!({"name": "one"});
    for kept in ["annotations", "labels"] {
        metadata[kept] = pod["metadata"][kept].clone();
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}

fn remove(list: &mut Value, is: impl Fn(&str) -> bool) {
    if let Some(items) = list.as_array_mut() {
        items.retain(|item| !is(text(item, "/name")));
    }
}

/// What in a pod's annotations only a webhook can do, and what the policy says of it.
pub(crate) fn needs_webhook(pod: &Value) -> Option<(&'static str, &'static str)> {
    let annotations = pod["metadata"]["annotations"].as_object()?;
    if annotations.keys().any(|name| contract::annotations::key(name).is_some()) {
        return Some(("settings of its own", "only the webhook lets a pod override its profile"));
    }
    let profile = annotations.get(contract::annotations::PROFILE)?.as_str()?;
    profile.contains(',').then_some(("several profiles", "names several, which needs the webhook"))
}

/// An injected pod of which other webhooks have taken something.
pub(crate) fn damaged(pod: &Value) -> Vec<(&'static str, Value)> {
    let Some((list, container)) = sidecar(pod) else { return Vec::new() };
    let container = container.clone();
    let index = pod["spec"][list].as_array().unwrap().iter().position(|one| *one == container);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut pod = pod.clone();
        change(&mut pod);
        pod
    };
    let ours = |name: &str| name == contract::names::CONTAINER;
    let mut damaged = vec![
        ("no annotation", with(&|pod| unmark(pod))),
        ("no container", with(&|pod| remove(&mut pod["spec"][list], ours))),
        (
            "neither",
            with(&|pod| {
                remove(&mut pod["spec"][list], ours);
                unmark(pod);
            }),
        ),
        (
            "another annotation",
            with(&|pod| pod["metadata"]["annotations"][format!("{PREFIX}cloud")] = json!("INT")),
        ),
        (
            "another variable, no annotation",
            with(&|pod| {
                let sidecar = &mut pod["spec"][list][index.unwrap()];
                if let Some(url) = sidecar.pointer_mut("/env/0/value") {
                    *url = json!("https://a.example/");
                }
                unmark(pod);
            }),
        ),
        (
            "no volumes",
            with(&|pod| remove(&mut pod["spec"]["volumes"], |name| name.starts_with("prom-"))),
        ),
    ];
    if list == "initContainers" {
        damaged.push((
            "no restartPolicy",
            with(&|pod| pod["spec"][list][index.unwrap()]["restartPolicy"] = Value::Null),
        ));
    }
    damaged
}

fn unmark(pod: &mut Value) {
    pod["metadata"]["annotations"].as_object_mut().unwrap().remove(INJECTED);
}

/// Whether `pod` lacks something that `made` has.
pub(crate) fn lost(pod: &Value, made: &Value) -> bool {
    let has = |pod: &Value| pod["metadata"]["annotations"].get(INJECTED).is_some();
    let volumes = |pod: &Value| pod["spec"]["volumes"].as_array().map_or(0, Vec::len);
    let policy = |pod: &Value| sidecar(pod).map(|(_, one)| one["restartPolicy"].clone());
    has(pod) != has(made) || volumes(pod) < volumes(made) || policy(pod) != policy(made)
}
