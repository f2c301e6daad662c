//! The pods that must be admitted: one of every profile.

use std::collections::BTreeMap;

use contract::{annotations, names};
use serde_json::{Value, json};
use webhook::config::Config;

use crate::arguments::Verify;

/// What the webhook begins a denial with.
const DENIED: &str = "cannot inject the remote-write sidecar";

/// A pod that asks for a sidecar.
pub(super) struct Case {
    /// Its profile; none if the configuration has no profile.
    profile: Option<String>,
    /// As it is sent.
    pub(super) pod: Value,
}

/// What became of it.
pub(super) enum Outcome {
    /// It is admitted, as this pod.
    Admitted(Value),
    /// It is not, with this message.
    Denied(String),
}

/// A pod of every profile; one without a profile if there is none.
pub(super) fn cases(arguments: &Verify, config: &Config) -> Vec<Case> {
    let mut profiles: Vec<Option<String>> = config.profiles.keys().cloned().map(Some).collect();
    if profiles.is_empty() {
        profiles.push(None);
    }
    let case = |profile: Option<String>| {
        let pod = pod(arguments, profile.as_deref());
        Case { profile, pod }
    };
    profiles.into_iter().map(case).collect()
}

impl Case {
    /// What holds, or what does not.
    pub(super) fn judged(&self, outcome: &Outcome) -> Result<String, String> {
        match (&self.profile, outcome) {
            (Some(profile), Outcome::Admitted(pod)) if has_sidecar(pod) => {
                Ok(format!("profile {profile}: a pod is admitted, with a sidecar"))
            }
            (None, Outcome::Admitted(pod)) if has_sidecar(pod) => {
                Ok("no profile is set; a pod is admitted, with a sidecar".to_owned())
            }
            // No one has said where its samples go: the webhook was asked.
            (None, Outcome::Denied(message)) if message.contains(DENIED) => {
                Ok("no profile is set; the webhook is called, and denies a pod without one"
                    .to_owned())
            }
            (profile, Outcome::Admitted(_)) => {
                Err(format!("{}the pod is admitted without a sidecar", prefix(profile.as_deref())))
            }
            (profile, Outcome::Denied(message)) => {
                Err(format!("{}{message}", prefix(profile.as_deref())))
            }
        }
    }
}

fn prefix(profile: Option<&str>) -> String {
    profile.map(|profile| format!("profile {profile}: ")).unwrap_or_default()
}

fn has_sidecar(pod: &Value) -> bool {
    ["/spec/initContainers", "/spec/containers"].iter().any(|containers| {
        let all = pod.pointer(containers).and_then(Value::as_array);
        let name = |container: &Value| container.get("name").cloned();
        all.is_some_and(|all| all.iter().any(|one| name(one) == Some(names::CONTAINER.into())))
    })
}

/// A pod of Prometheus that violates no policy, with the given profile.
fn pod(arguments: &Verify, profile: Option<&str>) -> Value {
    let labels: BTreeMap<_, _> = arguments.pod_labels.iter().cloned().collect();
    let mut annotations: BTreeMap<_, _> = arguments.pod_annotations.iter().cloned().collect();
    annotations.insert(annotations::INJECT.to_owned(), "true".to_owned());
    if let Some(profile) = profile {
        annotations.insert(annotations::PROFILE.to_owned(), profile.to_owned());
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "prom-remotewrite-verify-",
            "namespace": arguments.namespace,
            "labels": labels,
            "annotations": annotations,
        },
        "spec": {
            "automountServiceAccountToken": false,
            "securityContext": {
                "runAsNonRoot": true,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "prometheus",
                // Never pulled: nothing runs.
                "image": "prometheus:verify",
                "resources": {
                    "requests": {"cpu": "100m", "memory": "100Mi"},
                    "limits": {"cpu": "100m", "memory": "100Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": true,
                },
            }],
        },
    })
}
