//! Keeps the webhook's certificate valid in a cluster, without refusing a pod.
//!
//! The Secret holds the pair that replicas serve; the configuration's CA bundle lists the
//! CAs that the API server trusts. They are two objects, read by different programs at
//! different times: the API server has a new bundle within moments, a replica has a new
//! Secret after the kubelet's next sync, a minute or two later. So the order of writes
//! matters, see [`mod@plan`].
//!
//! # What is stored
//!
//! Each renewal brings a new CA, whose key is dropped once it has signed the one
//! certificate. The Secret, which every replica mounts, holds no CA key, and
//! there is none elsewhere. The price is that each renewal changes the bundle;
//! so that path is always exercised.
//!
//! # Rights
//!
//! By name only: `get`, `list`, `watch`, `patch` and `create` on the Secret (an
//! apply that creates is a `PATCH`, so even that can be limited by name), `get`,
//! `list`, `watch` and `patch` on the `MutatingWebhookConfiguration` (a list or
//! watch of one name counts as a request for that name), `get` on the
//! `ServiceAccount` that owns the Secret. The owner is set when the Secret is
//! created, which takes no further right on any distribution.
//!
//! # Invariants
//!
//! * The bundle holds the CA of each certificate that a replica may serve: it is
//!   added before the certificate is in use, and removed when pair and bundle
//!   have been unchanged for [`policy::RotationPolicy::overlap`].
//! * Kills at any point and two processes at once are ordinary events: there is
//!   no state that matters outside the two objects, and each write names the
//!   version it was decided on.
//! * Other webhooks in the configuration are not touched.

pub mod cluster;
pub mod memory;
mod messages;
pub mod objects;
pub mod observed;
mod pace;
pub mod plan;
pub mod policy;
pub mod status;
mod watch;
pub mod write;

use std::time::SystemTime;

use rustls::crypto::aws_lc_rs;

use crate::{
    issue::{self, Request, issue},
    lifetime::Lifetime,
    pair::Pair,
};
use cluster::{Cluster, Snapshot};
use memory::Memory;
use pace::pause_after;
use plan::{Obstacle, Outlook, Step, plan};
use policy::RotationPolicy;
use write::{Write, write};

/// Why a rotation stopped early. Completed steps remain, and a later run continues.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An object cannot be read or written.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// No certificate could be issued.
    #[error(transparent)]
    Issue(#[from] issue::Error),
    /// Somebody else must act first.
    #[error("{0}")]
    Blocked(Obstacle),
}

impl Error {
    /// Whether the same step can succeed later, without anybody's help.
    fn is_temporary(&self) -> bool {
        matches!(self, Self::Cluster(error) if error.is_temporary())
    }

    /// Whether another writer was faster, which is not a failure.
    const fn is_conflict(&self) -> bool {
        matches!(self, Self::Cluster(cluster::Error::Conflict(_)))
    }
}

/// Where, what for, and how new certificates look.
pub struct Rotation {
    cluster: Cluster,
    policy: RotationPolicy,
    lifetime: Lifetime,
    memory: Memory,
    process: String,
}

impl Rotation {
    /// Manages the objects of `cluster`; new certificates live for `lifetime`.
    pub fn new(cluster: Cluster, policy: RotationPolicy, lifetime: Lifetime) -> Self {
        let process = random_name();
        Self { cluster, policy, lifetime, memory: Memory::default(), process }
    }

    /// The next step, without taking it.
    pub async fn preview(&self, now: SystemTime) -> Result<Step, Error> {
        let observed = self.cluster.observe().await?.observed;
        let memory = Memory::noted(&observed, &self.policy, now);
        Ok(plan(&observed, &memory, &self.policy, now))
    }

    /// Takes step after step until nothing is left to do.
    ///
    /// Waits for an API server that does not answer as long as the caller does.
    pub async fn run(mut self, clock: impl Fn() -> SystemTime) -> Result<Outlook, Error> {
        let mut failures = 0;
        loop {
            match self.advance_once(&clock).await {
                Ok(Step::Done(outlook)) => return Ok(outlook),
                Ok(Step::Blocked(obstacle)) => return Err(Error::Blocked(obstacle)),
                Ok(Step::Settle(rest)) => tokio::time::sleep(rest).await,
                Ok(_) => failures = 0,
                Err(error) if error.is_temporary() => {
                    let pause = pause_after(&error, failures);
                    failures += 1;
                    messages::retrying(&error, pause);
                    tokio::time::sleep(pause).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn advance_once(&mut self, clock: &impl Fn() -> SystemTime) -> Result<Step, Error> {
        let snapshot = self.cluster.observe().await?;
        let now = clock();
        let issued = self.memory.good().cloned();
        self.memory = Memory::noted(&snapshot.observed, &self.policy, now);
        if let Some(pair) = issued {
            self.memory.keep(pair);
        }
        let step = plan(&snapshot.observed, &self.memory, &self.policy, now);
        tracing::info!(%step, "reconciling");
        self.take(&snapshot, &step, now).await?;
        Ok(step)
    }

    /// Performs the writes of `step`, which was decided on `snapshot` at `now`.
    async fn take(
        &mut self,
        snapshot: &Snapshot,
        step: &Step,
        now: SystemTime,
    ) -> Result<(), Error> {
        let new_pair = || self.new_pair(now);
        let write = write(step, &snapshot.observed, &self.memory, &self.policy, now, new_pair)?;
        match write {
            None => return Ok(()),
            Some(Write::Memory(pair)) => self.memory.keep(pair),
            Some(Write::Secret(stored)) => {
                self.cluster.store(snapshot, &stored, &self.process).await?;
            }
            Some(Write::Bundle(bundle, published_for)) => {
                self.cluster.publish(snapshot, &bundle, (now, &published_for)).await?;
            }
        }
        // What was requested once is done once.
        self.policy.force &= !matches!(step, Step::Stage(_) | Step::Promote);
        Ok(())
    }

    fn new_pair(&self, now: SystemTime) -> Result<Pair, issue::Error> {
        let request = Request {
            dns_names: self.policy.dns_names.clone(),
            addresses: Vec::new(),
            lifetime: self.lifetime,
        };
        issue(&request, now)
    }
}

/// A name that no other process has. Without randomness, two processes that
/// create the Secret at once could overwrite each other's, no more.
fn random_name() -> String {
    let mut bytes = [0; 8];
    let _filled = aws_lc_rs::default_provider().secure_random.fill(&mut bytes);
    format!("{:016x}", u64::from_ne_bytes(bytes))
}

/// An error and its causes, in one line. A cause that the text has already, as
/// kube's do, is left out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod model;
