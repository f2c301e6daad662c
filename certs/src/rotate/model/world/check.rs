//! What must hold.

use std::time::SystemTime;

use proptest::prelude::*;

use super::{World, policy};
use crate::{
    pair::Pair,
    rotate::{
        model::{Event, Fault, OVERLAP, SETTLE},
        observed::Owner,
        plan::Step,
    },
};

impl World {
    /// Left alone, with correct clocks and a configuration, one process puts
    /// everything in order.
    pub(in crate::rotate::model) fn converge(&mut self) -> Result<(), TestCaseError> {
        self.processes[0].ahead = 0;
        if self.configuration.value.is_none() {
            self.happen(&Event::Fault(Fault::ReplaceConfiguration));
        }
        for pause in [SETTLE, SETTLE, OVERLAP, OVERLAP] {
            self.settle_down();
            self.pass(pause);
            self.check()?;
        }
        let steps = self.settle_down();
        self.pass(SETTLE);
        self.check()?;
        prop_assert!(matches!(steps.last(), Some(Step::Done(outlook)) if outlook.prune.is_none()));
        let (stored, owner) = self.secret.value.clone().unwrap();
        let current = Pair::parse(stored.current).unwrap();
        prop_assert!(current.renewal() > self.now() && is_valid(&current, self.now()));
        prop_assert!(stored.renew.is_empty() && owner == Owner::Release);
        let trust = self.configuration.value.clone().unwrap();
        prop_assert_eq!(trust.bundle.pem(), current.pem().ca.clone());
        prop_assert!(!self.is_disturbed && self.trust.iter().all(|trusts| *trusts));
        Ok(())
    }

    /// Once API servers have the bundle, they trust what every replica serves.
    pub(in crate::rotate::model) fn check_repaired(&mut self) -> Result<(), TestCaseError> {
        let clock = self.clock(0);
        let (stored, _) = self.secret.value.clone().unwrap();
        let current = Pair::parse(stored.current);
        prop_assert!(policy().check(&current, clock).is_ok(), "{:?}", current);
        if self.configuration.value.is_some() {
            self.deliver_bundle();
            self.check()?;
            for replica in self.replicas.iter().flatten() {
                let pair = Pair::parse(replica.clone()).unwrap();
                let trusted = self.api_servers[0].as_ref().unwrap().includes(pair.ca());
                prop_assert!(trusted || !is_valid(&pair, self.now()), "a replica is not trusted");
            }
        }
        Ok(())
    }

    pub(in crate::rotate::model) fn check(&mut self) -> Result<(), TestCaseError> {
        let now = self.now();
        let before = std::mem::take(&mut self.trust);
        let mut before = before.iter();
        for replica in &self.replicas {
            let pair = replica.clone().and_then(|pem| Pair::parse(pem).ok());
            let valid = policy().check(&pair.ok_or(crate::pair::Damage::Absent), now).cloned();
            for bundle in &self.api_servers {
                let trusts = bundle.as_ref().is_some_and(|bundle| {
                    valid.as_ref().is_ok_and(|pair| bundle.includes(pair.ca()))
                });
                let called = bundle.is_some() && valid.is_ok();
                let lost = before.next() == Some(&true) && called && !trusts;
                prop_assert!(!lost || self.is_disturbed, "an API server lost its trust");
                self.trust.push(trusts);
            }
        }
        let (stored, _) = self.secret.value.clone().unzip();
        let current = Pair::parse(stored.unwrap_or_default().current);
        let current = policy().check(&current, now);
        let is_repaired = self.trust.iter().all(|trusts| *trusts)
            && current.is_ok_and(|pair| self.bundle().is_some_and(|all| all.includes(pair.ca())))
            && self.api_servers.iter().all(|known| *known == self.bundle());
        self.is_disturbed &= !is_repaired;
        Ok(())
    }
}

fn is_valid(pair: &Pair, now: SystemTime) -> bool {
    (pair.not_before()..=pair.not_after()).contains(&now)
}
