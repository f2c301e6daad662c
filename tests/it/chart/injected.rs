//! Compares a pod that went through a real API server with the webhook's own
//! golden: everything that the webhook said is there, and what else is there
//! are the API server's defaults.

use std::fs;

use serde_json::Value;
use tests::machine::environment;

use super::objects::text;

/// Fields that the API server gives a container or a volume that leaves them
/// out. Whatever else it added would be a surprise.
const DEFAULTS: &[&str] = &[
    "/terminationMessagePath",
    "/terminationMessagePolicy",
    "/livenessProbe/failureThreshold",
    "/livenessProbe/httpGet/scheme",
    "/livenessProbe/periodSeconds",
    "/livenessProbe/successThreshold",
    "/livenessProbe/timeoutSeconds",
    "/ports/0/protocol",
    "/secret/defaultMode",
    "/configMap/defaultMode",
    "/projected/defaultMode",
    "/downwardAPI/defaultMode",
];

/// The pod as the webhook's tests have it.
pub(crate) fn golden(name: &str) -> Value {
    let file = environment::crate_folder().join(format!("../webhook/testdata/golden/{name}.yaml"));
    serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// The sidecar, wherever it is, and the list it is in.
pub(crate) fn sidecar(pod: &Value) -> Option<(&'static str, &Value)> {
    ["initContainers", "containers"].into_iter().find_map(|kind| {
        let all = pod["spec"][kind].as_array()?;
        let ours = |container: &&Value| text(container, "/name") == contract::names::CONTAINER;
        all.iter().find(ours).map(|container| (kind, container))
    })
}

/// Fails unless the pod has what the golden of this name has.
pub(crate) fn check(name: &str, pod: &Value) {
    check_against(name, &golden(name), pod);
}

/// Fails unless the pod has what `golden` has, which is called `name`.
pub(crate) fn check_against(name: &str, golden: &Value, pod: &Value) {
    check_anywhere(name, golden, pod);
    let (kind, _) = sidecar(pod).unwrap();
    let last = text(pod["spec"][kind].as_array().unwrap().last().unwrap(), "/name");
    assert_eq!(last, contract::names::CONTAINER, "{name}");
}

/// The same of a pod whose containers another webhook puts into an order of its own.
pub(crate) fn check_anywhere(name: &str, golden: &Value, pod: &Value) {
    let ((kind, expected), (actual_kind, actual)) =
        (sidecar(golden).unwrap(), sidecar(pod).unwrap());
    assert_eq!(kind, actual_kind, "{name}");
    compare(name, expected, actual);
    let volumes = |pod: &Value| {
        let all = pod["spec"]["volumes"].as_array().unwrap().clone();
        let ours = |volume: &Value| text(volume, "/name").starts_with("prom-remotewrite-");
        all.into_iter().filter(ours).collect::<Vec<_>>()
    };
    let (expected, actual) = (volumes(golden), volumes(pod));
    assert_eq!(expected.len(), actual.len(), "{name}: {actual:#?}");
    for (expected, actual) in expected.iter().zip(&actual) {
        compare(name, expected, actual);
    }
    assert_eq!(golden["spec"]["imagePullSecrets"], pod["spec"]["imagePullSecrets"], "{name}");
    // The goldens are of version 1.0.0; the settings' hash is the same.
    let settings = |pod: &Value| {
        let text = text(pod, "/metadata/annotations/prom-remotewrite~1injected").to_owned();
        text.split_once(" settings=").map(|(_, hash)| hash.to_owned())
    };
    assert!(settings(pod).is_some(), "{name}");
    assert_eq!(settings(golden), settings(pod), "{name}");
}

fn compare(name: &str, expected: &Value, actual: &Value) {
    let mut added = Vec::new();
    subset(name, expected, actual, "", &mut added);
    for path in added {
        assert!(DEFAULTS.contains(&path.as_str()), "{name}: {path} comes from nowhere");
    }
}

/// All of `expected` is in `actual`; what else is there is `added`.
fn subset(name: &str, expected: &Value, actual: &Value, path: &str, added: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (key, value) in expected {
                let found = actual.get(key).unwrap_or_else(|| panic!("{name}: no {path}/{key}"));
                subset(name, value, found, &format!("{path}/{key}"), added);
            }
            let new = actual.keys().filter(|key| !expected.contains_key(*key));
            added.extend(new.map(|key| format!("{path}/{key}")));
        }
        (Value::Array(expected), Value::Array(actual)) => {
            assert_eq!(expected.len(), actual.len(), "{name}: {path}");
            for (index, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                subset(name, expected, actual, &format!("{path}/{index}"), added);
            }
        }
        _ => assert_eq!(expected, actual, "{name}: {path}"),
    }
}
