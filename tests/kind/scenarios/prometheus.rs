//! What happens to Prometheus itself.

use std::time::Duration;

use tests::{
    deployment::{self, IDENTITIES, Identity, MONITORING},
    failure::Outcome,
};
use tokio::time::sleep;

use crate::{
    account::Tolerance,
    compare::Loss,
    stack::{Stack, eventually},
};

/// Several scrapes.
const A_WHILE: Duration = Duration::from_secs(15);
/// A killed Prometheus never sends what it held back: its remote write waits up
/// to 5 s for a full batch and, once restarted, sends only samples that are
/// younger than its start (`SetStartTime` in `tsdb/wlog/watcher.go`). One scrape
/// of 5 s may have been under way besides.
const HELD_BACK: i64 = 10_000;
/// From the deletion of a pod to its successor: a signal, an image that is
/// there, a log that is read again.
const COMES_BACK_WITHIN: Duration = Duration::from_mins(3);

/// Nothing happens.
pub(super) async fn steady(_: &Stack) -> Outcome<Tolerance> {
    sleep(A_WHILE).await;
    Ok(Tolerance::default())
}

/// All three at once; each sends what it has before it ends.
pub(super) fn restart(stack: &Stack) -> Outcome<Tolerance> {
    for identity in IDENTITIES {
        stack.kubectl(&["rollout", "restart", &identity.stateful_set(), "-n", MONITORING])?;
    }
    for identity in IDENTITIES {
        deployment::rolled_out(&stack.cluster, MONITORING, &identity.stateful_set())?;
    }
    Ok(Tolerance::default())
}

/// Without grace, in the midst of scraping.
pub(super) async fn delete(stack: &Stack) -> Outcome<Tolerance> {
    sleep(A_WHILE).await;
    let before = IDENTITIES.map(|identity| uid(stack, identity));
    let killed = stack.now();
    for identity in IDENTITIES {
        let pod = identity.pod();
        stack.kubectl(&["delete", "pod", &pod, "-n", MONITORING, "--force", "--grace-period=0"])?;
    }
    for (identity, before) in IDENTITIES.into_iter().zip(before) {
        let before = before?;
        let what = format!("a successor of {}", identity.pod());
        let another = async || Ok(uid(stack, identity).is_ok_and(|uid| uid != before));
        eventually(&what, COMES_BACK_WITHIN, another).await?;
        deployment::running(&stack.cluster, identity)?;
    }
    let until = stack.now();
    sleep(A_WHILE).await;
    let loss =
        |identity: Identity| Loss { identity: identity.name, after: killed - HELD_BACK, until };
    Ok(Tolerance { losses: IDENTITIES.map(loss).to_vec(), replays: true, ..Tolerance::default() })
}

fn uid(stack: &Stack, identity: Identity) -> Outcome<String> {
    let pod = identity.pod();
    stack.kubectl(&["get", "pod", &pod, "-n", MONITORING, "-o", "jsonpath={.metadata.uid}"])
}
