//! What is compared of a pod: everything but what each pod has of its own.

use contract::annotations::INJECTED;
use serde_json::{Value, json};

use crate::chart::objects::text;

/// Whether the policies refused a pod, and not something else.
pub(crate) fn refused_by_policy(error: &str) -> bool {
    error.contains("ValidatingAdmissionPolicy 'prom-remotewrite-policy'")
        && error.contains("cannot inject the remote-write sidecar: ")
}

/// A pod without what is given to it alone, and without who injected.
pub(crate) fn compared(pod: &Value) -> Value {
    let mut pod = pod.clone();
    let metadata = pod["metadata"].as_object_mut().unwrap();
    for own in ["creationTimestamp", "managedFields", "namespace", "uid", "generation"] {
        metadata.remove(own);
    }
    let annotations = metadata.get_mut("annotations");
    if let Some(Value::String(injected)) = annotations.and_then(|all| all.get_mut(INJECTED)) {
        *injected = injected.replace(" by=policy ", " ");
    }
    pod.as_object_mut().unwrap().remove("status");
    let spec = pod["spec"].as_object_mut().unwrap();
    for list in ["volumes", "containers", "initContainers"] {
        for item in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            plain_name(item);
            let mounts = item.get_mut("volumeMounts").and_then(Value::as_array_mut);
            mounts.into_iter().flatten().for_each(plain_name);
        }
    }
    pod
}

/// The API token's volume has a random name.
fn plain_name(item: &mut Value) {
    const TOKEN: &str = "kube-api-access-";
    if text(item, "/name").starts_with(TOKEN) {
        item["name"] = json!(format!("{TOKEN}xxxxx"));
    }
}
