//! Keeps the webhook's certificate fresh in a cluster, disturbing no request.
//!
//! The Secret holds the pair that replicas serve, the configuration's CA
//! bundle says whom the API server trusts. The two are different objects, read
//! by different programs at different times: the API server sees a new bundle
//! within moments, a replica sees a new Secret after the kubelet's next sync, a
//! minute or two later. So the order of writes is what matters, see [`mod@plan`].
//!
//! # What is stored, and what is not
//!
//! Each rotation brings a new CA, whose key is dropped once it has signed the
//! one certificate. The Secret, which every replica mounts, holds no CA key,
//! and there is none elsewhere. The price is that each rotation, not only a
//! rare one, changes the bundle; so that path is always exercised.
//!
//! # What it must be allowed
//!
//! By name, and nothing else: `get`, `patch` and `create` on the Secret (an
//! apply that creates is a `PATCH`, so even that can be granted by name), `get`
//! and `patch` on the `MutatingWebhookConfiguration`. Both objects bear the
//! label `prom-remotewrite/certificates: rotate`. The Secret is owned by the
//! configuration and is deleted with it. Nothing else may set the webhook's
//! `caBundle`: an installation leaves it out.
//!
//! # Invariants
//!
//! * For each certificate that a replica may be serving, the bundle holds the
//!   CA: it joins before the certificate is in use, and leaves when the pair
//!   in use and the bundle have both been as they are for a time in which
//!   every replica has reloaded ([`plan::Policy::overlap`]).
//! * Being killed, at any point, and being run twice at once are ordinary: no
//!   state outside the two objects, each write tied to the version it was
//!   decided on.
//! * Objects without our label are not touched, nor are the CAs of others in
//!   the bundle, nor other webhooks in the configuration.

pub mod cluster;
pub mod objects;
pub mod observed;
pub mod plan;
mod report;
pub mod write;

use std::time::{Duration, SystemTime};

use rustls::crypto::aws_lc_rs;

use crate::{
    issue::{self, Request, issue},
    lifetime::Lifetime,
    pair::Texts,
};
use cluster::{Cluster, Snapshot};
use plan::{Outlook, Policy, Step, plan};
use write::{Write, write};

/// Somebody else wrote first and is done with it: look again soon.
const AFTER_CONFLICT: Duration = Duration::from_millis(100);
/// An API server that restarts is back after seconds.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// A write bears the time of its decision, from which the waiting for API
/// servers and replicas counts. One that takes longer is given up.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// Why a rotation ended early. What was done stays, and a later run goes on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An object cannot be read or written.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// No certificate could be issued.
    #[error(transparent)]
    Issue(#[from] issue::Error),
}

/// A run: where, what for, and how new certificates look.
pub struct Rotation {
    /// The two objects.
    pub cluster: Cluster,
    /// What is wanted.
    pub policy: Policy,
    /// How long new certificates live.
    pub lifetime: Lifetime,
}

impl Rotation {
    /// The next step, without taking it.
    pub async fn preview(&self, now: SystemTime) -> Result<Step, Error> {
        let snapshot = self.cluster.observe().await?;
        Ok(plan(&snapshot.observed, &self.policy, now))
    }

    /// Takes step after step until nothing is left to do.
    ///
    /// Waits for an API server that is away as long as the caller does.
    pub async fn run(mut self, clock: impl Fn() -> SystemTime) -> Result<Outlook, Error> {
        let run = random_name();
        loop {
            match self.advance(&clock, &run).await {
                Ok(Some(outlook)) => return Ok(outlook),
                Ok(None) => {}
                Err(Error::Cluster(error @ cluster::Error::Conflict(_))) => {
                    tracing::info!(reason = %error, "looking again");
                    tokio::time::sleep(AFTER_CONFLICT).await;
                }
                Err(Error::Cluster(
                    error @ (cluster::Error::Unavailable { .. } | cluster::Error::Slow(_)),
                )) => {
                    tracing::warn!(reason = %chain(&error), "trying again");
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Looks, decides, and takes one step.
    async fn advance(
        &mut self,
        clock: &impl Fn() -> SystemTime,
        run: &str,
    ) -> Result<Option<Outlook>, Error> {
        let snapshot = self.cluster.observe().await?;
        let now = clock();
        let step = plan(&snapshot.observed, &self.policy, now);
        tracing::info!(step = %step, "next");
        match &step {
            Step::Done(outlook) => return Ok(Some(outlook.clone())),
            Step::Wait(rest) => tokio::time::sleep(*rest).await,
            _ => {}
        }
        if let Some(write) = write(&step, &snapshot.observed, now, || self.new_pair(now))? {
            self.apply(&snapshot, write, now, run).await?;
        }
        // What was asked for once is done once.
        self.policy.force &= !matches!(step, Step::Issue(_) | Step::Stage(_) | Step::Promote);
        Ok(None)
    }

    async fn apply(
        &self,
        snapshot: &Snapshot,
        write: Write,
        now: SystemTime,
        run: &str,
    ) -> Result<(), cluster::Error> {
        let applied = async {
            match write {
                Write::Secret(held) => self.cluster.store(snapshot, &held, run).await,
                Write::Bundle(bundle) => self.cluster.publish(snapshot, &bundle, now).await,
            }
        };
        let applied = tokio::time::timeout(WRITE_LIMIT, applied).await;
        applied.unwrap_or(Err(cluster::Error::Slow(WRITE_LIMIT)))
    }

    fn new_pair(&self, now: SystemTime) -> Result<Texts, issue::Error> {
        let request = Request {
            dns_names: self.policy.dns_names.clone(),
            addresses: Vec::new(),
            lifetime: self.lifetime,
        };
        Ok(issue(&request, now)?.into())
    }
}

/// A name that no other run has. Were the system without randomness, two runs
/// that create the Secret at once could overwrite each other, no more.
fn random_name() -> String {
    let mut bytes = [0; 8];
    let _filled = aws_lc_rs::default_provider().secure_random.fill(&mut bytes);
    format!("{:016x}", u64::from_ne_bytes(bytes))
}

/// An error and its causes, in one line. A cause that the text tells already,
/// as kube's do, is not told twice.
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
