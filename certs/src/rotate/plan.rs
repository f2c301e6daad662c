//! What to do next, given what the cluster holds: a pure function.
//!
//! A rotation is several writes to two objects, and between any two of them
//! the program may be killed, or a second one may be at work. So no plan is
//! kept anywhere: each step is decided from what the cluster holds at that
//! moment, and every state that a step leaves behind is one from which the
//! next step, by whomever, goes on.
//!
//! The order, which is the point of it all:
//!
//! 1. `Stage`: the new pair is written beside the one in use; nobody serves it;
//! 2. `Publish`: its CA joins the bundle;
//! 3. `Wait`: until every API server has seen the bundle;
//! 4. `Promote`: the new pair takes the old one's place, replicas reload it;
//! 5. `Prune`, in a later run: the old CA leaves the bundle when no replica
//!    can serve the old certificate any more.

use std::time::{Duration, SystemTime};

use super::observed::Observed;
use crate::pair::{Damage, Pair};

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The names under which the API server calls the webhook.
    pub dns_names: Vec<String>,
    /// How long a new bundle may take to reach every API server.
    pub settle: Duration,
    /// How long a new pair may take to reach every replica.
    pub overlap: Duration,
    /// Renew although nothing demands it.
    pub force: bool,
}

/// Why a new pair is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// What is stored is no pair.
    Damaged(Damage),
    /// The pair has ended.
    Expired(SystemTime),
    /// Two thirds of its life are over.
    Due(SystemTime),
    /// The certificate does not stand for this name.
    Name(String),
    /// Somebody asked for it.
    Forced,
}

/// One write, or a pause, or the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new pair comes into use at once: the API server trusts no certificate
    /// of ours, so nobody can be disturbed.
    Issue(Reason),
    /// A new pair is written beside the one in use.
    Stage(Reason),
    /// The staged pair is dropped: it is of no use.
    Discard,
    /// The CAs of the pair in use and of the staged one join the bundle.
    Publish,
    /// Nothing until the API servers have surely seen the bundle.
    Wait(Duration),
    /// The staged pair takes the place of the one in use.
    Promote,
    /// It is written down that the pair in use is so since now at the latest.
    Confirm,
    /// The Secret is tied to the configuration, with which it shall go.
    Adopt,
    /// CAs of earlier pairs leave the bundle.
    Prune,
    /// All is as it should be.
    Done(Outlook),
}

/// What happens later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// When the pair in use ends.
    pub not_after: SystemTime,
    /// When a run renews it.
    pub renewal: SystemTime,
    /// From when on a run removes earlier CAs, if there are any.
    pub prune: Option<SystemTime>,
}

/// The next step towards `policy`.
pub fn plan(observed: &Observed, policy: &Policy, now: SystemTime) -> Step {
    let serving = observed.current.as_ref().ok().filter(|pair| pair.not_after() >= now);
    if serving.is_some_and(|pair| !observed.bundle.holds(pair.ca())) {
        return Step::Publish;
    }
    if let Ok(next) = &observed.next
        && renewal_reason(next, policy, now).is_none()
    {
        return introduce(next, observed, policy, now);
    }
    match judge(&observed.current, policy, now) {
        Ok(pair) => settle_down(pair, observed, policy, now),
        // What is damaged or gone in the Secret, replicas may still have.
        Err(reason) if serving.is_some() || observed.bundle.trusts_ours(now) => Step::Stage(reason),
        Err(reason) => Step::Issue(reason),
    }
}

/// The pair in use, or why it needs a successor.
fn judge<'a>(
    current: &'a Result<Pair, Damage>,
    policy: &Policy,
    now: SystemTime,
) -> Result<&'a Pair, Reason> {
    let pair = current.as_ref().map_err(|damage| Reason::Damaged(*damage))?;
    if pair.not_after() < now {
        return Err(Reason::Expired(pair.not_after()));
    }
    match renewal_reason(pair, policy, now) {
        Some(reason) => Err(reason),
        None if policy.force => Err(Reason::Forced),
        None => Ok(pair),
    }
}

/// Why `pair` should not be in use much longer.
fn renewal_reason(pair: &Pair, policy: &Policy, now: SystemTime) -> Option<Reason> {
    if let Some(name) = pair.missing(&policy.dns_names) {
        return Some(Reason::Name(name.clone()));
    }
    (pair.renewal() <= now).then(|| Reason::Due(pair.renewal()))
}

/// Brings the staged pair into use: bundle first, then patience, then the pair.
fn introduce(next: &Pair, observed: &Observed, policy: &Policy, now: SystemTime) -> Step {
    match past(observed.published, now) {
        Some(published) if observed.bundle.holds(next.ca()) => {
            let ready = published + policy.settle;
            match ready.duration_since(now) {
                Ok(rest) if !rest.is_zero() => Step::Wait(rest),
                _ => Step::Promote,
            }
        }
        _ => Step::Publish,
    }
}

/// What is left to do when the right pair is in use.
fn settle_down(pair: &Pair, observed: &Observed, policy: &Policy, now: SystemTime) -> Step {
    if !observed.adopted {
        return Step::Adopt;
    }
    if observed.next != Err(Damage::Absent) {
        return Step::Discard;
    }
    let outlook = Outlook { not_after: pair.not_after(), renewal: pair.renewal(), prune: None };
    if observed.bundle.stale(pair.ca()) == 0 {
        return Step::Done(outlook);
    }
    let Some(promoted) = past(observed.held.promoted, now) else { return Step::Confirm };
    // The bundle's time counts too: a pair that came back from a backup says
    // that it was promoted long ago, and replicas still serve another.
    let changed = promoted.max(past(observed.published, now).unwrap_or(now));
    let prune = changed + policy.overlap;
    if prune <= now { Step::Prune } else { Step::Done(Outlook { prune: Some(prune), ..outlook }) }
}

/// A time that was noted, unless it lies in the future: a clock was wrong, and
/// to wait for it would be to wait for nothing.
fn past(noted: Option<SystemTime>, now: SystemTime) -> Option<SystemTime> {
    noted.filter(|noted| *noted <= now)
}

#[cfg(test)]
mod tests;
