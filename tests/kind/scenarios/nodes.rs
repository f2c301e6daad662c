//! What happens to nodes.

use std::time::Duration;

use tests::{
    failure::{Failure, Outcome},
    kubernetes::deployment::{self, IDENTITIES, MONITORING},
};
use tokio::time::sleep;

use super::prometheus;
use crate::{
    account::Tolerance,
    probe::Probe,
    stack::{Stack, eventually},
};

/// A kubelet is up within seconds, and knows its pods some seconds later.
const RESTARTED_WITHIN: Duration = Duration::from_mins(1);
/// How long the node stays away: long enough for a pod to be missed.
const AWAY: Duration = Duration::from_secs(10);

/// Containers continue without it; none may be restarted.
pub(super) async fn kubelet(stack: &Stack) -> Outcome<Tolerance> {
    let node = stack.worker();
    let before = restarts(stack)?;
    stack.on_node(&node, &["systemctl", "restart", "kubelet"])?;
    let healthy = ["curl", "-sf", "http://127.0.0.1:10248/healthz"];
    let up = async || Ok(stack.on_node(&node, &healthy).is_ok());
    eventually("the kubelet is healthy again", RESTARTED_WITHIN, up).await?;
    stack.kubectl(&["wait", "--for=condition=Ready", "node", &node, "--timeout=1m"])?;
    for identity in IDENTITIES {
        deployment::running(&stack.cluster, identity)?;
    }
    let after = restarts(stack)?;
    if before == after {
        return Ok(Tolerance::default());
    }
    Err(Failure::new(format!("restarts of containers were {before}, and are {after}")))
}

/// Pods and how often their containers were restarted.
pub(super) fn restarts(stack: &Stack) -> Outcome<String> {
    let counts = "jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[*].restartCount} {.status.initContainerStatuses[*].restartCount}{\"\\n\"}{end}";
    stack.kubectl(&["get", "pods", "-n", MONITORING, "-o", counts])
}

/// Every pod is evicted in order. The volumes are on this node, so Prometheus
/// waits for it; the webhook must not.
pub(super) async fn drain(stack: &Stack) -> Outcome<Tolerance> {
    sleep(prometheus::A_WHILE).await;
    let (node, start) = (stack.worker(), stack.now());
    let probe = Probe::start(stack.client())?;
    let drained = stack.kubectl(&[
        "drain",
        &node,
        "--ignore-daemonsets",
        "--delete-emptydir-data",
        "--timeout=3m",
    ]);
    sleep(AWAY).await;
    stack.kubectl(&["uncordon", &node])?;
    drained?;
    for identity in IDENTITIES {
        deployment::running(&stack.cluster, identity)?;
    }
    let losses = prometheus::last_moments(stack, start).await?;
    Ok(Tolerance { losses, note: probe.all_injected()?, ..Tolerance::default() })
}
