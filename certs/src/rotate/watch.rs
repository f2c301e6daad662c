//! Runs until it is stopped, and takes steps whenever there are any.
//!
//! A watch only reports that something may have changed; each decision is made on what is
//! read then. So a watch that was interrupted needs no bookkeeping: the next one begins
//! with such a message. While nothing changes, no request is made except one for each
//! watch every [`WATCH_LIMIT`].

use std::{
    fmt::Debug,
    pin::pin,
    time::{Duration, SystemTime},
};

use futures_util::{StreamExt, future::join};
use kube::{
    Api, Resource,
    api::{ListParams, WatchEvent, WatchParams},
};
use serde::de::DeserializeOwned;
use tokio::{sync::Notify, time::Instant};

use super::{
    Error, Rotation,
    cluster::{self, Snapshot, bounded},
    messages,
    pace::{Pace, pause_after},
    plan::{Step, plan},
    status::Status,
};

/// How long one watch lasts. It also bounds how long a connection that broke
/// without a message goes unnoticed.
const WATCH_LIMIT: Duration = Duration::from_mins(2);
/// The API server ends the watch; its answer may take this much longer.
const WATCH_GRACE: Duration = Duration::from_secs(5);
/// Between two tries to watch.
const WATCH_RETRY: Duration = Duration::from_secs(1);
/// How often the wall clock is looked at, which may have jumped.
const GLANCE: Duration = Duration::from_secs(30);

impl Rotation {
    /// Takes steps whenever there are any, and reports to `status`; never returns.
    pub async fn watch(mut self, clock: impl Fn() -> SystemTime, status: &Status) {
        let changed = Notify::new();
        let (secrets, configurations) =
            (self.cluster.secrets.clone(), self.cluster.configurations.clone());
        let target = self.cluster.target.clone();
        let secrets = watch(&secrets, &target.secret, &changed);
        let configurations = watch(&configurations, &target.configuration, &changed);
        let reconcile = self.reconcile(&clock, &changed, status);
        tokio::select! {
            _ = join(secrets, configurations) => {}
            () = reconcile => {}
        }
    }

    async fn reconcile(
        &mut self,
        clock: &impl Fn() -> SystemTime,
        changed: &Notify,
        status: &Status,
    ) {
        let start = Instant::now();
        let mut log = Log::default();
        let mut pace = Pace::default();
        let mut failures = 0;
        loop {
            status.beat();
            match self.advance(clock, start).await {
                Ok((step, snapshot)) => {
                    failures = 0;
                    log.say(&step);
                    status.took(&step);
                    if step.write().is_some() {
                        tokio::time::sleep(pace.pause(start.elapsed())).await;
                    } else {
                        self.idle(&step, &snapshot, (clock, start), changed, status).await;
                    }
                }
                Err(error) => {
                    let pause = pause_after(&error, failures);
                    failures += 1;
                    status.failed(&error);
                    log.failed(&error, pause);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Reads, decides, and takes one step.
    async fn advance(
        &mut self,
        clock: &impl Fn() -> SystemTime,
        start: Instant,
    ) -> Result<(Step, Snapshot), Error> {
        let snapshot = self.cluster.observe().await?;
        let now = clock();
        let step = self.decide(&snapshot, now, start);
        self.take(&snapshot, &step, now).await?;
        Ok((step, snapshot))
    }

    fn decide(&mut self, snapshot: &Snapshot, now: SystemTime, start: Instant) -> Step {
        self.memory.see(&snapshot.observed, &self.policy, now, start.elapsed());
        plan(&snapshot.observed, &self.memory, &self.policy, now)
    }

    /// Waits until an object has changed or the clock requires a step.
    async fn idle(
        &mut self,
        step: &Step,
        snapshot: &Snapshot,
        (clock, start): (&impl Fn() -> SystemTime, Instant),
        changed: &Notify,
        status: &Status,
    ) {
        let mut step = step.clone();
        while step.write().is_none() {
            let rest = match &step {
                Step::Settle(rest) => *rest,
                Step::Done(outlook) => outlook.prune.unwrap_or(GLANCE),
                _ => GLANCE,
            };
            tokio::select! {
                () = changed.notified() => return,
                () = tokio::time::sleep(rest.min(GLANCE)) => {}
            }
            status.beat();
            step = self.decide(snapshot, clock(), start);
        }
    }
}

/// One line for each step, and one when there are none left.
#[derive(Default)]
struct Log(Option<Step>);

impl Log {
    fn say(&mut self, step: &Step) {
        let mut same = step.clone();
        match &mut same {
            Step::Done(outlook) => outlook.prune = None,
            Step::Settle(rest) => *rest = Duration::ZERO,
            _ => {}
        }
        if step.write().is_some() || self.0.as_ref() != Some(&same) {
            if matches!(step, Step::Blocked(_)) {
                tracing::warn!(%step, "reconciling");
            } else {
                tracing::info!(%step, "reconciling");
            }
        }
        self.0 = Some(same);
    }

    fn failed(&mut self, error: &Error, pause: Duration) {
        self.0 = None;
        messages::retrying(error, pause);
    }
}

/// Notifies of each change of the object `name`; never returns.
async fn watch<K>(api: &Api<K>, name: &str, changed: &Notify)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let mut seen = None;
    let mut is_down = false;
    loop {
        match follow(api, name, &mut seen, changed).await {
            Ok(()) => is_down = false,
            Err(error) => {
                let kind = K::kind(&());
                let reason = super::chain(&error);
                if !is_down {
                    tracing::warn!(%kind, name, reason, "the watch was interrupted");
                }
                is_down = true;
                tokio::time::sleep(WATCH_RETRY).await;
            }
        }
    }
}

/// One list and one watch. `seen` is the version that was notified of last;
/// empty if there was no object.
async fn follow<K>(
    api: &Api<K>,
    name: &str,
    seen: &mut Option<String>,
    changed: &Notify,
) -> Result<(), cluster::Error>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let text = || format!("{} {name}", K::kind(&()));
    let failed = |source| {
        let source = Box::new(source);
        cluster::Error::Failed { verb: "watch", object: text(), source }
    };
    let fields = format!("metadata.name={name}");
    let list = ListParams::default().fields(&fields);
    let list = bounded("list", text(), api.list_metadata(&list)).await?;
    let version = |object: &kube::core::PartialObjectMeta<K>| {
        object.metadata.resource_version.clone().unwrap_or_default()
    };
    let mut notify = |version: String| {
        if seen.as_ref() != Some(&version) {
            *seen = Some(version);
            changed.notify_one();
        }
    };
    notify(list.items.first().map(version).unwrap_or_default());
    let from = list.metadata.resource_version.unwrap_or_default();
    let seconds = u32::try_from(WATCH_LIMIT.as_secs()).unwrap_or(u32::MAX);
    let params = WatchParams::default().fields(&fields).timeout(seconds);
    let events = bounded("watch", text(), api.watch_metadata(&params, &from)).await?;
    let mut events = pin!(events);
    let end = Instant::now() + WATCH_LIMIT + WATCH_GRACE;
    loop {
        match tokio::time::timeout_at(end, events.next()).await {
            Err(_) | Ok(None) => return Ok(()),
            Ok(Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)))) => {
                notify(version(&object));
            }
            Ok(Some(Ok(WatchEvent::Deleted(_)))) => notify(String::new()),
            Ok(Some(Ok(WatchEvent::Bookmark(_)))) => {}
            // For example 410: the next list begins anew.
            Ok(Some(Ok(WatchEvent::Error(status)))) => {
                return Err(failed(kube::Error::Api(status)));
            }
            Ok(Some(Err(error))) => return Err(failed(error)),
        }
    }
}
