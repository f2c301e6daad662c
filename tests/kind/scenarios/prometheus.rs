//! What happens to Prometheus itself.

use std::time::Duration;

use k8s_openapi::api::core::v1::Event;
use kube::{Api, api::ListParams};
use tests::{
    failure::{Context, Failure, Outcome},
    kubernetes::deployment::{self, IDENTITIES, Identity, MONITORING},
    prometheus::account::Loss,
};
use tokio::time::sleep;

use crate::{
    account::Tolerance,
    stack::{Stack, eventually},
};

/// Some scrapes, for a scenario to have something to lose.
pub(super) const A_WHILE: Duration = Duration::from_secs(10);
/// A killed Prometheus never sends what it held back: its remote write waits up to 5 s
/// for a full batch and, once restarted, sends only samples that are younger than its
/// start (`SetStartTime` in `tsdb/wlog/watcher.go`). One scrape of 5 s may have been in
/// progress besides.
const HELD_BACK: i64 = 10_000;
/// From the deletion of a pod to its successor: a signal, an image that is
/// there, a log that is read again.
const COMES_BACK_WITHIN: Duration = Duration::from_mins(3);

/// Nothing happens.
pub(super) async fn steady(_: &Stack) -> Outcome<Tolerance> {
    sleep(A_WHILE).await;
    Ok(Tolerance::default())
}

/// What a Prometheus that ends in order may fail to send: as it ends, it stops
/// those who send before the one who reads the log for them (`Stop` in
/// `storage/remote/queue_manager.go`), so that a scrape of the very last moment
/// is in its log and nowhere else.
const LAST_MOMENT: i64 = 1000;
/// It still finishes what it was about to scrape, and the time of its end is
/// known in whole seconds.
const LAST_WORDS: i64 = 2000;

/// All three at once; each sends what it has before it ends.
pub(super) async fn restart(stack: &Stack) -> Outcome<Tolerance> {
    sleep(A_WHILE).await;
    let start = stack.now();
    for identity in IDENTITIES {
        stack.kubectl(&["rollout", "restart", &identity.stateful_set(), "-n", MONITORING])?;
    }
    for identity in IDENTITIES {
        stack.cluster.rolled_out(MONITORING, &identity.stateful_set())?;
    }
    Ok(Tolerance { losses: last_moments(stack, start).await?, ..Tolerance::default() })
}

/// The last moments of every Prometheus that was stopped since `start`.
pub(super) async fn last_moments(stack: &Stack, start: i64) -> Outcome<Vec<Loss>> {
    let events: Api<Event> = Api::namespaced(stack.client(), MONITORING);
    let killing = ListParams::default().fields("reason=Killing,involvedObject.kind=Pod");
    let events = events.list(&killing).await.context("read events")?.items;
    let mut losses = Vec::new();
    for identity in IDENTITIES {
        let pod = identity.pod();
        let of_pod = events.iter().filter(|event| {
            event.involved_object.name.as_ref() == Some(&pod)
                && event.message.as_deref() == Some(STOPPING)
        });
        let stopped =
            of_pod.filter_map(|event| Some(event.last_timestamp.as_ref()?.0.as_millisecond()));
        losses.extend(stopped.filter(|stopped| *stopped > start - 1000).map(|stopped| Loss {
            identity: identity.name,
            after: stopped - LAST_MOMENT,
            until: stopped + LAST_WORDS,
        }));
    }
    if losses.len() >= IDENTITIES.len() {
        return Ok(losses);
    }
    Err(Failure::new(format!("only {} of the Prometheus were told to end", losses.len())))
}

/// The event that shows it.
const STOPPING: &str = "Stopping container prometheus";

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
    let loss =
        |identity: Identity| Loss { identity: identity.name, after: killed - HELD_BACK, until };
    Ok(Tolerance { losses: IDENTITIES.map(loss).to_vec(), replays: true, ..Tolerance::default() })
}

fn uid(stack: &Stack, identity: Identity) -> Outcome<String> {
    let pod = identity.pod();
    stack.kubectl(&["get", "pod", &pod, "-n", MONITORING, "-o", "jsonpath={.metadata.uid}"])
}
