//! The modelled cluster: what each event does to it.

use std::{
    convert::Infallible,
    time::{Duration, SystemTime},
};

use proptest::{prelude::*, sample::Index};

use super::{Event, OVERLAP, SETTLE};
use crate::{
    bundle::Bundle,
    issue::{Request, issue},
    pair::{Pair, Texts},
    rotate::{
        WRITE_LIMIT,
        observed::{Held, Observed},
        plan::{Policy, Step, plan},
        write::{Write, write},
    },
};

const NAME: &str = "w.default.svc";

/// An object with its version, and the time at which that changed last which
/// others read.
pub(super) struct Versioned<T> {
    pub(super) value: T,
    version: u64,
    changed: SystemTime,
}

/// What a run decided, and on which versions.
pub(super) struct Decision {
    at: SystemTime,
    write: Write,
    secret: u64,
    configuration: u64,
}

pub(super) struct World {
    pub(super) now: SystemTime,
    force: bool,
    pub(super) secret: Versioned<Option<Held>>,
    configuration: Versioned<(Bundle, Option<SystemTime>)>,
    runs: [Option<Decision>; 2],
    api_servers: [Bundle; 2],
    replicas: [Texts; 3],
    /// Which API server trusts which replica.
    pub(super) trust: Vec<bool>,
}

impl World {
    /// After an installation that everybody has noticed.
    pub(super) fn new() -> Self {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(498_720);
        let current = new_pair(now);
        let bundle = Bundle::parse(&current.ca);
        let held = Held { current: current.clone(), next: Texts::default(), promoted: Some(now) };
        Self {
            now,
            force: false,
            secret: Versioned { value: Some(held), version: 1, changed: now },
            configuration: Versioned {
                value: (bundle.clone(), Some(now)),
                version: 1,
                changed: now,
            },
            runs: [None, None],
            api_servers: [bundle.clone(), bundle],
            replicas: [current.clone(), current.clone(), current],
            trust: vec![true; 6],
        }
    }

    pub(super) fn happen(&mut self, event: &Event) {
        match event {
            Event::Look(run) => *run.get_mut(&mut self.runs) = self.look().1,
            Event::Act(run) => {
                if let Some(decision) = run.get_mut(&mut self.runs).take() {
                    self.act(decision);
                }
            }
            Event::Kill(run) => *run.get_mut(&mut self.runs) = None,
            Event::Force => self.force = true,
            Event::Pass(time) => self.pass(*time),
            Event::ApiServer(which) => {
                which.get_mut(&mut self.api_servers).clone_from(&self.configuration.value.0);
            }
            Event::Replica(which) => {
                reload(which.get_mut(&mut self.replicas), self.secret.value.as_ref());
            }
            Event::Delete => self.hold(None),
            Event::Damage(which) => self.damage(*which),
        }
    }

    pub(super) fn look(&mut self) -> (Step, Option<Decision>) {
        let (bundle, published) = self.configuration.value.clone();
        let held = self.secret.value.clone().unwrap_or_default();
        let observed = Observed::new(held, true, bundle, published);
        let policy = Policy {
            dns_names: vec![NAME.to_owned()],
            settle: SETTLE,
            overlap: OVERLAP,
            force: self.force,
        };
        let step = plan(&observed, &policy, self.now);
        self.force &= !matches!(step, Step::Stage(_) | Step::Issue(_) | Step::Promote);
        let Ok(write) =
            write(&step, &observed, self.now, || Ok::<_, Infallible>(new_pair(self.now)));
        let (secret, configuration) = (self.secret.version, self.configuration.version);
        let at = self.now;
        (step, write.map(|write| Decision { at, write, secret, configuration }))
    }

    /// As the API server does it: a write to another version is refused.
    pub(super) fn act(&mut self, Decision { at, write, secret, configuration }: Decision) {
        match write {
            _ if self.now > at + WRITE_LIMIT => {}
            Write::Secret(held) if secret == self.secret.version => self.hold(Some(held)),
            Write::Bundle(bundle) if configuration == self.configuration.version => {
                let version = configuration + 1;
                let value = (bundle, Some(at));
                self.configuration = Versioned { value, version, changed: self.now };
            }
            _ => {}
        }
    }

    /// At the end of their time, the late ones see what has changed.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        if self.now >= self.configuration.changed + SETTLE - WRITE_LIMIT {
            self.api_servers.fill(self.configuration.value.0.clone());
        }
        if self.now >= self.secret.changed + OVERLAP - WRITE_LIMIT {
            self.replicas
                .iter_mut()
                .for_each(|replica| reload(replica, self.secret.value.as_ref()));
        }
    }

    fn damage(&mut self, which: Index) {
        let Some(mut held) = self.secret.value.clone() else { return };
        let Held { current, next, .. } = &mut held;
        let mut texts = [
            &mut current.ca,
            &mut current.certificate,
            &mut current.key,
            &mut next.ca,
            &mut next.certificate,
            &mut next.key,
        ];
        let text = which.get_mut(&mut texts);
        text.truncate(text.len() / 2);
        self.hold(Some(held));
    }

    fn hold(&mut self, held: Option<Held>) {
        let current = |held: &Option<Held>| held.as_ref().map(|held| held.current.clone());
        let same = current(&held) == current(&self.secret.value);
        let changed = if same { self.secret.changed } else { self.now };
        self.secret = Versioned { value: held, version: self.secret.version + 1, changed };
    }

    pub(super) fn check(&mut self) -> Result<(), TestCaseError> {
        let mut trust = Vec::new();
        let mut before = self.trust.iter();
        for replica in &self.replicas {
            let pair = Pair::parse(replica.clone()).unwrap();
            let valid = pair.not_after() >= self.now;
            for trusted in &self.api_servers {
                let trusts = valid && trusted.holds(pair.ca());
                let lost = before.next() == Some(&true) && valid && !trusts;
                prop_assert!(!lost, "an API server no longer trusts what a replica serves");
                trust.push(trusts);
            }
        }
        self.trust = trust;
        Ok(())
    }
}

/// As the webhook does it: what is no pair does not replace one that is.
fn reload(replica: &mut Texts, secret: Option<&Held>) {
    if let Some(held) = secret
        && Pair::parse(held.current.clone()).is_ok()
    {
        replica.clone_from(&held.current);
    }
}

fn new_pair(now: SystemTime) -> Texts {
    let dns_names = vec![NAME.to_owned()];
    let lifetime = "90d".parse().unwrap();
    issue(&Request { dns_names, addresses: Vec::new(), lifetime }, now).unwrap().into()
}
