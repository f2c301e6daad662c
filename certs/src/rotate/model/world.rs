//! The modelled cluster: what each event does to it.

mod check;
mod fault;
mod process;

use std::time::{Duration, SystemTime};

use super::{Event, OVERLAP, SETTLE};
use crate::{
    bundle::Bundle,
    issue::{Request, issue},
    pair::{Pair, Pem},
    rotate::{
        cluster::REQUEST_LIMIT,
        memory::Memory,
        observed::{Owner, Stored, Trust},
        policy::RotationPolicy,
        write::Write,
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
    replicas: [Option<Pem>; 3],
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
}

/// As the webhook does it: what is no pair does not replace one that is.
fn reload(replica: &mut Option<Pem>, secret: &Versioned<(Stored, Owner)>) {
    if let Some((stored, _)) = &secret.value
        && Pair::parse(stored.current.clone()).is_ok()
    {
        *replica = Some(stored.current.clone());
    }
}

fn policy() -> RotationPolicy {
    RotationPolicy {
        dns_names: vec![NAME.to_owned()],
        settle: SETTLE,
        overlap: OVERLAP,
        force: false,
        provided: None,
    }
}

fn pair(name: &str, now: SystemTime) -> Pair {
    let dns_names = vec![name.to_owned()];
    let lifetime = "90d".parse().unwrap();
    issue(&Request { dns_names, addresses: Vec::new(), lifetime }, now).unwrap()
}
