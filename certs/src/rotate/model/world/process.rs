//! What a process does: it looks, decides, and later acts.

use std::{
    convert::Infallible,
    time::{Duration, SystemTime},
};

use super::{Decision, NAME, Process, World, pair, policy};
use crate::rotate::{
    cluster::REQUEST_LIMIT,
    model::STEPS,
    observed::{Observed, Owner, Trust},
    plan::{Step, plan},
    write::{Write, write},
};

impl World {
    pub(super) fn look(&mut self, process: usize) -> (Step, Option<Decision>) {
        let (stored, owner) = self.secret.value.clone().unzip();
        let observed =
            Observed::new(stored.unwrap_or_default(), owner, self.configuration.value.clone());
        let clock = self.clock(process);
        let Process { memory, start, .. } = &mut self.processes[process];
        memory.see(&observed, &policy(), clock, self.uptime.saturating_sub(*start));
        let step = plan(&observed, memory, &policy(), clock);
        let new_pair = || Ok::<_, Infallible>(pair(NAME, clock));
        let Ok(write) = write(&step, &observed, memory, &policy(), clock, new_pair);
        let (secret, configuration) = (self.secret.version, self.configuration.version);
        let at = self.uptime;
        (step, write.map(|write| Decision { at, clock, write, secret, configuration }))
    }

    pub(super) fn clock(&self, process: usize) -> SystemTime {
        let ahead = self.processes[process].ahead;
        let by = Duration::from_mins(ahead.unsigned_abs());
        if ahead < 0 { self.now() - by } else { self.now() + by }
    }

    /// As the API server does it: a write to another version is refused.
    pub(super) fn act(&mut self, process: usize, decision: Decision) {
        let Decision { at, clock, write, secret, configuration } = decision;
        match write {
            Write::Memory(pair) => self.processes[process].memory.keep(pair),
            _ if self.uptime > at + REQUEST_LIMIT => {}
            Write::Secret(stored) if secret == self.secret.version => {
                self.secret.set(Some((stored, Owner::Release)));
            }
            Write::Bundle(bundle, published_for)
                if configuration == self.configuration.version
                    && self.configuration.value.is_some() =>
            {
                let (published, published_for) = (Some(clock), Some(published_for));
                let trust = Trust { bundle, is_owned: true, published, published_for };
                self.configuration.set(Some(trust));
            }
            _ => {}
        }
    }

    /// The first process takes steps until there are none.
    pub(in crate::rotate::model) fn settle_down(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        loop {
            let (step, decision) = self.look(0);
            assert!(steps.len() < STEPS, "{steps:?}");
            steps.push(step);
            match decision {
                Some(decision) => self.act(0, decision),
                None => return steps,
            }
        }
    }
}
