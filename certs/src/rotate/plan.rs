//! The next step, given what the cluster holds: a pure function.
//!
//! A rotation is several writes to two objects. The process can be killed
//! between any two of them, a second one can be at work, and anybody can change
//! or delete the objects. So no plan is stored: each step is decided from what
//! the cluster holds at that moment.
//!
//! A renewal takes these steps in this order:
//!
//! 1. `Stage`: a new pair is stored beside the one in use; nobody serves it;
//! 2. `Publish`: its CA is added to the bundle;
//! 3. `Settle`: a pause in which every API server receives the bundle;
//! 4. `Promote`: the new pair replaces the one in use, replicas reload it;
//! 5. `Prune`: when every replica has reloaded, the old CA is removed.
//!
//! `Publish` and `Mend` repair what others changed or deleted. If the Secret has
//! no usable pair, the last one is written again. If the process remembers none,
//! as at installation, `Stage` issues one in memory, its CA is published, and
//! `Mend` writes it without a pause: a replica that starts can serve nothing
//! else, and at no time does the Secret hold a pair that nobody trusts.

use std::time::{Duration, SystemTime};

use super::{
    memory::Memory,
    observed::{Observed, Owner, Trust},
    policy::{Reason, RotationPolicy},
};
use crate::{
    bundle::Bundle,
    pair::{Damage, Pair, issuers},
};

/// Why there is nothing that can be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// There is no configuration, or it has no such webhook.
    NoConfiguration,
    /// The Secret must be written, and another controller manages it.
    Managed(Reason, String),
    /// Others write the Secret, and it names no CA.
    NoAuthority,
}

/// One write, a pause, or the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The Secret is written again: the last usable pair, the right owner.
    Mend(Reason),
    /// A new pair is stored beside the one in use; in memory, if none is usable.
    Stage(Reason),
    /// The CAs of all certificates that are or will be served join the bundle.
    Publish,
    /// Nothing until every API server has the bundle.
    Settle(Duration),
    /// The staged pair replaces the one in use.
    Promote,
    /// Other CAs leave the bundle.
    Prune,
    /// Everything is as it should be.
    Done(Outlook),
    /// Nothing can be done until somebody changes an object.
    Blocked(Obstacle),
}

impl Step {
    /// The steps that write, by the names that metrics have.
    pub const WRITES: [&'static str; 5] = ["mend", "stage", "publish", "promote", "prune"];

    /// Its name if it writes; none for a pause or the end.
    pub const fn write(&self) -> Option<&'static str> {
        let [mend, stage, publish, promote, prune] = Self::WRITES;
        match self {
            Self::Mend(_) => Some(mend),
            Self::Stage(_) => Some(stage),
            Self::Publish => Some(publish),
            Self::Promote => Some(promote),
            Self::Prune => Some(prune),
            Self::Settle(_) | Self::Done(_) | Self::Blocked(_) => None,
        }
    }
}

/// What happens later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// When the pair in use expires and when it will be renewed; none if
    /// somebody else issues it.
    pub lifetime: Option<(SystemTime, SystemTime)>,
    /// When CAs that are no longer needed are removed, if there are any.
    pub prune: Option<Duration>,
}

/// The next step towards `policy`.
pub fn plan(
    observed: &Observed,
    memory: &Memory,
    policy: &RotationPolicy,
    now: SystemTime,
) -> Step {
    let staged = staged(observed, policy, now);
    let needed = needed(observed, memory, policy, now);
    if let Some(trust) = &observed.trust
        && !is_published(trust, &needed, observed, policy, now)
    {
        return Step::Publish;
    }
    if policy.provided.is_some() {
        return if observed.in_use(policy).is_empty() {
            Step::Blocked(Obstacle::NoAuthority)
        } else {
            remaining(observed, memory, policy, &needed, None)
        };
    }
    let step = match policy.check(&observed.current, now) {
        Err(reason) => replace(reason, staged, memory, policy, now),
        Ok(_) if observed.owner == Owner::Other => Step::Mend(Reason::Owner),
        Ok(pair) => match (&observed.trust, staged, renewal(pair, observed, policy, now)) {
            (Some(_), Some(_), _) => settle(memory, policy),
            (Some(_), None, Some(reason)) => Step::Stage(reason),
            _ => remaining(observed, memory, policy, &needed, Some(pair)),
        },
    };
    match (step, &observed.owner) {
        (Step::Mend(reason) | Step::Stage(reason), Owner::Controller(other)) => {
            Step::Blocked(Obstacle::Managed(reason, other.clone()))
        }
        (step, _) => step,
    }
}

/// Whether API servers trust what is needed, and will until this program changes it.
fn is_published(
    trust: &Trust,
    needed: &Bundle,
    observed: &Observed,
    policy: &RotationPolicy,
    now: SystemTime,
) -> bool {
    trust.bundle.includes(needed)
        && (needed.is_empty() || (trust.is_owned && is_noted(observed, trust, policy, now)))
}

/// Whether the configuration says since when the pair in use has been so.
fn is_noted(observed: &Observed, trust: &Trust, policy: &RotationPolicy, now: SystemTime) -> bool {
    let is_known = trust.published.is_some_and(|at| at <= now);
    observed.in_use(policy).is_empty()
        || (is_known && trust.published_for.as_ref() == Some(&observed.mark(policy)))
}

/// The staged pair, if it is worth promoting.
fn staged<'a>(
    observed: &'a Observed,
    policy: &RotationPolicy,
    now: SystemTime,
) -> Option<&'a Pair> {
    let pair = policy.check(&observed.next, now).ok()?;
    (policy.provided.is_none() && now < pair.renewal()).then_some(pair)
}

/// The CAs that the API server must trust.
pub fn needed(
    observed: &Observed,
    memory: &Memory,
    policy: &RotationPolicy,
    now: SystemTime,
) -> Bundle {
    let mut needed = memory.served();
    for pair in [memory.good(), staged(observed, policy, now)].into_iter().flatten() {
        needed.add(pair.ca());
    }
    if let (Some(_), Some(trust)) = (&policy.provided, &observed.trust) {
        needed.add(&issuers(&trust.bundle, &observed.stored.current.certificate));
    }
    needed
}

/// No API server would accept what the Secret holds.
fn replace(
    reason: Reason,
    staged: Option<&Pair>,
    memory: &Memory,
    policy: &RotationPolicy,
    now: SystemTime,
) -> Step {
    let remembered = memory.good().cloned().ok_or(Damage::Absent);
    if policy.check(&remembered, now).is_ok() {
        Step::Mend(reason)
    } else if staged.is_some() {
        Step::Promote
    } else {
        Step::Stage(reason)
    }
}

/// Why `pair` should be renewed.
fn renewal(
    pair: &Pair,
    observed: &Observed,
    policy: &RotationPolicy,
    now: SystemTime,
) -> Option<Reason> {
    if policy.force || !observed.stored.renew.is_empty() {
        return Some(Reason::Requested);
    }
    (pair.renewal() <= now).then(|| Reason::Due(pair.renewal()))
}

/// The bundle first, then a pause, then the pair.
fn settle(memory: &Memory, policy: &RotationPolicy) -> Step {
    match policy.settle.saturating_sub(memory.unchanged()) {
        Duration::ZERO => Step::Promote,
        rest => Step::Settle(rest),
    }
}

/// The remaining steps when the right pair is in use.
fn remaining(
    observed: &Observed,
    memory: &Memory,
    policy: &RotationPolicy,
    needed: &Bundle,
    pair: Option<&Pair>,
) -> Step {
    let Some(trust) = &observed.trust else {
        return Step::Blocked(Obstacle::NoConfiguration);
    };
    let lifetime = pair.map(|pair| (pair.not_after(), pair.renewal()));
    if needed.includes(&trust.bundle) {
        return Step::Done(Outlook { lifetime, prune: None });
    }
    match policy.overlap.saturating_sub(memory.unchanged()) {
        Duration::ZERO => Step::Prune,
        rest => Step::Done(Outlook { lifetime, prune: Some(rest) }),
    }
}

#[cfg(test)]
mod tests;
