//! Pods that are created without a pause while something else happens.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kube::Client;
use serde_json::Value;
use tokio::{task::JoinHandle, time::sleep};

use super::{injected::sidecar, objects};

/// Between two pods: the API server has other things to do as well.
const PAUSE: Duration = Duration::from_millis(10);

/// What happened to the pods.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Pods with a sidecar.
    pub(crate) injected: usize,
    /// Pods without.
    pub(crate) plain: usize,
    /// Why others were not created.
    pub(crate) refused: Vec<String>,
}

/// A client that keeps creating the same pod, each time in a dry run: it passes admission
/// as any other, and nothing is left of it.
pub(crate) struct Creating {
    enough: Arc<AtomicBool>,
    task: JoinHandle<Tally>,
}

impl Creating {
    pub(crate) fn start(client: Client, pod: Value) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(create(client, pod, enough.clone()));
        Self { enough, task }
    }

    /// What happened to the pods, after the last of them.
    pub(crate) async fn stop(self) -> Tally {
        self.enough.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

async fn create(client: Client, pod: Value, enough: Arc<AtomicBool>) -> Tally {
    let mut tally = Tally::default();
    while !enough.load(Ordering::Relaxed) {
        match objects::apply_dry(&client, &pod).await {
            Ok(pod) if sidecar(&pod).is_some() => tally.injected += 1,
            Ok(_) => tally.plain += 1,
            Err(error) => tally.refused.push(error.to_string()),
        }
        sleep(PAUSE).await;
    }
    tally
}
