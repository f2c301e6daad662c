//! What a process remembers of the objects it has seen.
//!
//! Replicas serve a certificate for up to a minute or two after it has left the
//! Secret, and the objects can be damaged or deleted at any moment. With this
//! memory everything that replicas may serve stays trusted, and what was lost
//! is written again. Nothing depends on it: a new process starts without.
//!
//! Times are those of the monotonic clock, so that a wall clock that jumps
//! neither shortens nor prolongs a wait.

use std::time::{Duration, SystemTime};

use super::{observed::Observed, policy::RotationPolicy};
use crate::{bundle::Bundle, pair::Pair};

/// What this process has seen so far.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    good: Option<Pair>,
    in_use: Bundle,
    /// The Secret was usable when it was last read.
    was_usable: bool,
    /// CAs that were in use, and when they were replaced.
    former: Vec<(Bundle, Duration)>,
    published: Bundle,
    changed: Duration,
    uptime: Duration,
}

impl Memory {
    /// Takes in what was read at `now`, when the process was `uptime` old.
    pub fn see(
        &mut self,
        observed: &Observed,
        policy: &RotationPolicy,
        now: SystemTime,
        uptime: Duration,
    ) {
        self.uptime = uptime;
        let in_use = observed.in_use(policy);
        let is_usable = !in_use.is_empty();
        // Without a usable Secret, replicas continue to serve what they have; from when
        // there is one again, they have the whole overlap to take it.
        if !(is_usable && self.was_usable) {
            self.former.iter_mut().for_each(|(_, replaced)| *replaced = uptime);
            self.changed = uptime;
        }
        self.was_usable = is_usable;
        self.former.retain(|(_, replaced)| uptime.saturating_sub(*replaced) < policy.overlap);
        if is_usable && in_use != self.in_use {
            let former = std::mem::replace(&mut self.in_use, in_use);
            self.former.push((former, uptime));
            self.changed = uptime;
        }
        let published = observed.trust.as_ref().map(|trust| trust.bundle.clone());
        let published = published.unwrap_or_default();
        if published != self.published {
            self.published = published;
            self.changed = uptime;
        }
        if let Ok(pair) = policy.check(&observed.current, now) {
            self.good = Some(pair.clone());
        }
    }

    /// What a process knows that runs once: the time that the configuration has.
    pub fn noted(observed: &Observed, policy: &RotationPolicy, now: SystemTime) -> Self {
        let in_use = observed.in_use(policy);
        let trust = observed.trust.clone().unwrap_or_default();
        let same = trust.published_for.as_ref() == Some(&observed.mark(policy));
        let uptime = trust.published.filter(|_| same).and_then(|at| now.duration_since(at).ok());
        Self {
            in_use,
            published: trust.bundle,
            uptime: uptime.unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Keeps a pair that was issued because the Secret has none.
    pub fn keep(&mut self, pair: Pair) {
        self.good = Some(pair);
    }

    /// The last usable pair that the Secret held, or one issued to replace it.
    pub const fn good(&self) -> Option<&Pair> {
        self.good.as_ref()
    }

    /// The CAs of all certificates that replicas may serve.
    pub fn served(&self) -> Bundle {
        let mut bundle = Bundle::default();
        for (former, _) in &self.former {
            bundle.add(former);
        }
        bundle.add(&self.in_use);
        bundle
    }

    /// How long the pair in use and the bundle have been as they are.
    pub const fn unchanged(&self) -> Duration {
        self.uptime.saturating_sub(self.changed)
    }
}
