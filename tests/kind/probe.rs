//! Someone who creates pods all the time, and looks whether each got its sidecar. They
//! are dry runs: admission is real, nothing is kept.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::PostParams};
use serde_json::json;
use tests::{
    failure::{Context, Failure, Outcome},
    kubernetes::deployment::MONITORING,
};
use tokio::{task::JoinHandle, time::sleep};

/// Between two pods: several within the shortest thing that can go wrong.
const PAUSE: Duration = Duration::from_millis(100);

/// What happened to the pods.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// With a sidecar.
    pub(crate) injected: u64,
    /// Created without one.
    pub(crate) bare: u64,
    /// Not created.
    pub(crate) refused: u64,
    /// Why, the last time.
    pub(crate) reason: String,
    /// Whether the last one got its sidecar.
    pub(crate) well: bool,
}

/// It runs until it is asked what it saw.
pub(crate) struct Probe {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Probe {
    /// Begins.
    pub(crate) fn start(client: Client) -> Outcome<Self> {
        let pod: Pod = serde_json::from_value(pod()).context("describe a pod")?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let pods: Api<Pod> = Api::namespaced(client, MONITORING);
            let dry = PostParams { dry_run: true, ..PostParams::default() };
            loop {
                let answer = pods.create(&dry, &pod).await;
                note(&mut shared.lock().unwrap_or_else(PoisonError::into_inner), answer);
                sleep(PAUSE).await;
            }
        });
        Ok(Self { seen, task })
    }

    /// What it has seen so far.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops; fails unless every pod got its sidecar; returns their number.
    pub(crate) fn all_injected(self) -> Outcome<String> {
        let Seen { injected, bare, refused, reason, .. } = self.seen();
        if bare == 0 && refused == 0 && injected > 0 {
            return Ok(format!("{injected} pods injected meanwhile, none refused"));
        }
        Err(Failure::new(format!(
            "of the pods that were created meanwhile {injected} got a sidecar, {bare} none, {refused} were refused: {reason}"
        )))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn note(seen: &mut Seen, answer: kube::Result<Pod>) {
    seen.well = false;
    match answer {
        Err(error) => {
            seen.refused += 1;
            seen.reason = error.to_string();
        }
        Ok(pod) => {
            let containers = pod.spec.and_then(|spec| spec.init_containers).unwrap_or_default();
            seen.well = containers.iter().any(|one| one.name == contract::names::CONTAINER);
            if seen.well {
                seen.injected += 1;
            } else {
                seen.bare += 1;
            }
        }
    }
}

fn pod() -> serde_json::Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "probe-",
            "annotations": {"prom-remotewrite/inject": "true", "prom-remotewrite/profile": "managed"},
        },
        "spec": {
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "prometheus",
                "image": "local/prometheus:v3.16.0",
                "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    })
}
