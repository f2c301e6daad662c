//! The modelled cluster: what each event does to it.

use std::{
    convert::Infallible,
    time::{Duration, SystemTime},
};

use proptest::{prelude::*, sample::Index};

use super::{Event, Fault, OVERLAP, SETTLE, STEPS};
use crate::{
    bundle::Bundle,
    issue::{Request, issue},
    pair::{Pair, Texts},
    rotate::{
        cluster::REQUEST_LIMIT,
        memory::Memory,
        observed::{Observed, Owner, Stored, Trust},
        plan::{Policy, Step, check, plan},
        write::{Write, write},
    },
};

const NAME: &str = "w.default.svc";

/// An object with its version.
struct Versioned<T> {
    value: Option<T>,
    version: u64,
}

impl<T> Versioned<T> {
    fn set(&mut self, value: Option<T>) {
        *self = Self { value, version: self.version + 1 };
    }
}

/// A running process.
struct Process {
    memory: Memory,
    /// When it started.
    start: Duration,
    /// How far its wall clock is ahead, in minutes.
    ahead: i64,
    decision: Option<Decision>,
}

/// What a process decided, when, and on which versions.
struct Decision {
    at: Duration,
    clock: SystemTime,
    write: Write,
    secret: u64,
    configuration: u64,
}

pub(super) struct World {
    uptime: Duration,
    secret: Versioned<(Stored, Owner)>,
    /// Since when some replica has another pair than the Secret.
    replicas_lag: Option<Duration>,
    configuration: Versioned<Trust>,
    /// Since when some API server has another bundle than the configuration.
    api_servers_lag: Option<Duration>,
    processes: [Process; 2],
    /// What each API server trusts; none without a configuration.
    api_servers: [Option<Bundle>; 2],
    replicas: [Option<Texts>; 3],
    trust: Vec<bool>,
    /// Somebody interfered, and not everything is repaired yet.
    is_disturbed: bool,
}

impl World {
    /// Installed, and nothing has run.
    pub(super) fn empty() -> Self {
        let process = |_| Process {
            memory: Memory::default(),
            start: Duration::ZERO,
            ahead: 0,
            decision: None,
        };
        Self {
            uptime: Duration::ZERO,
            secret: Versioned { value: None, version: 1 },
            replicas_lag: None,
            configuration: Versioned { value: Some(Trust::default()), version: 1 },
            api_servers_lag: None,
            processes: [0, 1].map(process),
            api_servers: [Some(Bundle::default()), Some(Bundle::default())],
            replicas: [None, None, None],
            trust: vec![false; 6],
            is_disturbed: false,
        }
    }

    /// After an installation that everybody has noticed.
    pub(super) fn new() -> Self {
        let mut world = Self::empty();
        world.settle_down();
        world.pass(OVERLAP);
        world
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(498_720) + self.uptime
    }

    pub(super) fn happen(&mut self, event: &Event) {
        self.note_lag();
        match event {
            Event::Look(process) => {
                let process = process.index(2);
                let (_, decision) = self.look(process);
                self.processes[process].decision = decision;
            }
            Event::Act(process) => {
                let process = process.index(2);
                if let Some(decision) = self.processes[process].decision.take() {
                    self.act(process, decision);
                }
            }
            Event::Kill(process) => {
                let process = process.get_mut(&mut self.processes);
                let (memory, start) = (Memory::default(), self.uptime);
                *process = Process { memory, start, ahead: process.ahead, decision: None };
            }
            Event::Jump(process, by) => process.get_mut(&mut self.processes).ahead = *by,
            Event::Pass(time) => self.pass(*time),
            Event::ApiServer(which) => {
                let bundle = self.bundle();
                *which.get_mut(&mut self.api_servers) = bundle;
            }
            Event::Replica(which) => reload(which.get_mut(&mut self.replicas), &self.secret),
            Event::Restart(which) => {
                let replica = which.get_mut(&mut self.replicas);
                *replica = None;
                reload(replica, &self.secret);
            }
            Event::Renew => {
                if let Some((mut stored, owner)) = self.secret.value.clone() {
                    "now".clone_into(&mut stored.renew);
                    self.secret.set(Some((stored, owner)));
                }
            }
            Event::Fault(fault) => {
                self.is_disturbed = true;
                self.fault(fault);
            }
        }
    }

    fn fault(&mut self, fault: &Fault) {
        let held = self.secret.value.clone();
        let (stored, owner) = held.clone().unwrap_or((Stored::default(), Owner::Other));
        let of = |current: Texts| Some((Stored { current, ..Stored::default() }, Owner::Other));
        match fault {
            Fault::DeleteSecret => self.secret.set(None),
            Fault::CutSecret(which) => self.edit(*which, |text| text.truncate(text.len() / 2)),
            Fault::EmptySecret(which) => self.edit(*which, String::clear),
            Fault::GarbageSecret => {
                let text = || "garbage".to_owned();
                let texts = Texts { ca: text(), certificate: text(), key: text() };
                self.secret.set(of(texts));
            }
            Fault::ForeignPair => self.secret.set(of(pair(NAME, self.now()))),
            Fault::ForeignName => self.secret.set(of(pair("x", self.now()))),
            Fault::ForeignOwner if held.is_some() => {
                let owner = if owner == Owner::Release { Owner::Other } else { owner };
                self.secret.set(Some((stored, owner)));
            }
            Fault::ForeignOwner => {}
            Fault::DeleteConfiguration => self.configuration.set(None),
            Fault::ReplaceConfiguration => {
                self.configuration.set(Some(Trust::default()));
            }
            Fault::ForeignBundle => {
                let bundle = Bundle::parse(&pair("x", self.now()).ca);
                let trust = Trust { bundle, ..Trust::default() };
                self.configuration.set(Some(trust));
            }
            Fault::RemoveNotes => {
                if let Some(Trust { bundle, .. }) = self.configuration.value.clone() {
                    let trust = Trust { bundle, ..Trust::default() };
                    self.configuration.set(Some(trust));
                }
            }
        }
    }

    fn edit(&mut self, which: Index, change: impl Fn(&mut String)) {
        let Some((mut stored, owner)) = self.secret.value.clone() else { return };
        let Stored { current, next, .. } = &mut stored;
        let texts = [
            &mut current.ca,
            &mut current.certificate,
            &mut current.key,
            &mut next.ca,
            &mut next.certificate,
            &mut next.key,
        ];
        change(texts[which.index(6)]);
        self.secret.set(Some((stored, owner)));
    }

    fn look(&mut self, process: usize) -> (Step, Option<Decision>) {
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

    fn clock(&self, process: usize) -> SystemTime {
        let ahead = self.processes[process].ahead;
        let by = Duration::from_mins(ahead.unsigned_abs());
        if ahead < 0 { self.now() - by } else { self.now() + by }
    }

    /// As the API server does it: a write to another version is refused.
    fn act(&mut self, process: usize, decision: Decision) {
        let Decision { at, clock, write, secret, configuration } = decision;
        match write {
            Write::Memory(texts) => {
                self.processes[process].memory.keep(Pair::parse(texts).unwrap());
            }
            _ if self.uptime > at + REQUEST_LIMIT => {}
            Write::Secret(stored) if secret == self.secret.version => {
                self.secret.set(Some((stored, Owner::Release)));
            }
            Write::Bundle(bundle, published_for)
                if configuration == self.configuration.version
                    && self.configuration.value.is_some() =>
            {
                let trust =
                    Trust { bundle, published: Some(clock), published_for: Some(published_for) };
                self.configuration.set(Some(trust));
            }
            _ => {}
        }
    }

    /// When their time is over, the late ones receive what has changed.
    fn pass(&mut self, time: Duration) {
        self.note_lag();
        self.uptime += time;
        let now = self.uptime;
        let is_late = |lag: Option<Duration>, limit: Duration| {
            lag.is_some_and(|since| now + REQUEST_LIMIT >= since + limit)
        };
        if is_late(self.api_servers_lag, SETTLE) {
            self.deliver_bundle();
        }
        if is_late(self.replicas_lag, OVERLAP) {
            self.replicas.iter_mut().for_each(|replica| reload(replica, &self.secret));
        }
        self.note_lag();
    }

    fn note_lag(&mut self) {
        let bundle = self.bundle();
        let same = self.api_servers.iter().all(|known| *known == bundle);
        self.api_servers_lag = if same { None } else { self.api_servers_lag.or(Some(self.uptime)) };
        let same = self.replicas.iter().all(|replica| {
            let mut reloaded = replica.clone();
            reload(&mut reloaded, &self.secret);
            reloaded == *replica
        });
        // Without a usable pair in the Secret nothing arrives, and nothing is late.
        self.replicas_lag = if same { None } else { self.replicas_lag.or(Some(self.uptime)) };
    }

    fn bundle(&self) -> Option<Bundle> {
        self.configuration.value.as_ref().map(|trust| trust.bundle.clone())
    }

    fn deliver_bundle(&mut self) {
        let bundle = self.bundle();
        self.api_servers.fill(bundle);
    }

    /// The first process takes steps until there are none.
    pub(super) fn settle_down(&mut self) -> Vec<Step> {
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

    /// Left alone, with correct clocks and a configuration, one process puts
    /// everything in order.
    pub(super) fn converge(&mut self) -> Result<(), TestCaseError> {
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
        prop_assert!(current.renewal() > self.now() && current.is_valid(self.now()));
        prop_assert!(stored.renew.is_empty() && owner == Owner::Release);
        let trust = self.configuration.value.clone().unwrap();
        prop_assert_eq!(trust.bundle.pem(), current.texts().ca.clone());
        prop_assert!(!self.is_disturbed && self.trust.iter().all(|trusts| *trusts));
        Ok(())
    }

    /// Once API servers have the bundle, they trust what every replica serves.
    pub(super) fn check_repaired(&mut self) -> Result<(), TestCaseError> {
        let clock = self.clock(0);
        let (stored, _) = self.secret.value.clone().unwrap();
        let current = Pair::parse(stored.current);
        prop_assert!(check(&current, &policy(), clock).is_ok(), "{:?}", current);
        if self.configuration.value.is_some() {
            self.deliver_bundle();
            self.check()?;
            for replica in self.replicas.iter().flatten() {
                let pair = Pair::parse(replica.clone()).unwrap();
                let bundle = self.api_servers[0].clone().unwrap();
                let trusted = bundle.includes(&Bundle::parse(&pair.texts().ca));
                prop_assert!(trusted || !pair.is_valid(self.now()), "a replica is not trusted");
            }
        }
        Ok(())
    }

    pub(super) fn check(&mut self) -> Result<(), TestCaseError> {
        let now = self.now();
        let before = std::mem::take(&mut self.trust);
        let mut before = before.iter();
        for replica in &self.replicas {
            let pair = replica.clone().and_then(|texts| Pair::parse(texts).ok());
            let valid = check(&pair.ok_or(crate::pair::Damage::Absent), &policy(), now).cloned();
            for bundle in &self.api_servers {
                let trusts = bundle.as_ref().is_some_and(|bundle| {
                    let ca = valid.as_ref().ok().map(|pair| Bundle::parse(&pair.texts().ca));
                    ca.is_some_and(|ca| bundle.includes(&ca))
                });
                let called = bundle.is_some() && valid.is_ok();
                let lost = before.next() == Some(&true) && called && !trusts;
                prop_assert!(!lost || self.is_disturbed, "an API server lost its trust");
                self.trust.push(trusts);
            }
        }
        let (stored, _) = self.secret.value.clone().unzip();
        let current = Pair::parse(stored.unwrap_or_default().current);
        let current = check(&current, &policy(), now).map(|pair| Bundle::parse(&pair.texts().ca));
        let is_repaired = self.trust.iter().all(|trusts| *trusts)
            && current.is_ok_and(|ca| self.bundle().is_some_and(|bundle| bundle.includes(&ca)))
            && self.api_servers.iter().all(|known| *known == self.bundle());
        self.is_disturbed &= !is_repaired;
        Ok(())
    }
}

/// As the webhook does it: what is no pair does not replace one that is.
fn reload(replica: &mut Option<Texts>, secret: &Versioned<(Stored, Owner)>) {
    if let Some((stored, _)) = &secret.value
        && Pair::parse(stored.current.clone()).is_ok()
    {
        *replica = Some(stored.current.clone());
    }
}

fn policy() -> Policy {
    Policy {
        dns_names: vec![NAME.to_owned()],
        settle: SETTLE,
        overlap: OVERLAP,
        force: false,
        provided: None,
    }
}

fn pair(name: &str, now: SystemTime) -> Texts {
    let dns_names = vec![name.to_owned()];
    let lifetime = "90d".parse().unwrap();
    issue(&Request { dns_names, addresses: Vec::new(), lifetime }, now).unwrap().into()
}
