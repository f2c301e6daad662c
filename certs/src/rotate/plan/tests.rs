use super::*;
use crate::{
    issue::{Request, issue},
    pair::Pem,
    rotate::observed::{Stored, Trust},
};

const NAME: &str = "w.default.svc";
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// When the pair in use was issued.
fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(498_720)
}

fn pair(at: SystemTime) -> Pem {
    let dns_names = vec![NAME.to_owned()];
    let lifetime = "90d".parse().unwrap();
    issue(&Request { dns_names, addresses: Vec::new(), lifetime }, at).unwrap().into_pem()
}

fn policy() -> RotationPolicy {
    let dns_names = vec![NAME.to_owned()];
    RotationPolicy { dns_names, settle: 30 * SECOND, overlap: HOUR, force: false, provided: None }
}

/// A cluster in the usual state, which tests then change.
struct Scene {
    stored: Stored,
    owner: Owner,
    trust: Option<Trust>,
    policy: RotationPolicy,
}

impl Scene {
    fn new() -> Self {
        let current = pair(start());
        let bundle = Bundle::parse(&current.ca);
        let published_for = Some(bundle.fingerprint());
        Self {
            stored: Stored { current, ..Stored::default() },
            owner: Owner::Release,
            trust: Some(Trust { bundle, is_owned: true, published: Some(start()), published_for }),
            policy: policy(),
        }
    }

    fn trusting(mut self, pem: &Pem) -> Self {
        self.trust.get_or_insert_default().bundle.add(&Bundle::parse(&pem.ca));
        self
    }

    fn staged(mut self, at: SystemTime) -> Self {
        self.stored.next = pair(at);
        self
    }

    fn observed(&self) -> Observed {
        Observed::new(self.stored.clone(), Some(self.owner.clone()), self.trust.clone())
    }

    /// The step of a process that has run since `since`.
    fn step(&self, now: SystemTime, since: Duration) -> Step {
        let (observed, mut memory) = (self.observed(), Memory::default());
        memory.see(&observed, &self.policy, now, Duration::ZERO);
        memory.see(&observed, &self.policy, now, since);
        plan(&observed, &memory, &self.policy, now)
    }

    /// The step of a process that runs once.
    fn once(&self, now: SystemTime) -> Step {
        let observed = self.observed();
        plan(&observed, &Memory::noted(&observed, &self.policy, now), &self.policy, now)
    }

    #[track_caller]
    fn check(&self, now: SystemTime, expected: &Step) {
        assert_eq!(self.step(now, Duration::ZERO), *expected);
        assert_eq!(self.once(now), *expected);
    }
}

fn done(prune: Option<Duration>) -> Step {
    let lifetime = Some((start() + 90 * DAY, start() + 60 * DAY));
    Step::Done(Outlook { lifetime, prune })
}

#[test]
fn a_new_pair_is_left_alone_for_two_thirds_of_its_lifetime() {
    let scene = Scene::new();
    scene.check(start(), &done(None));
    scene.check(start() + 60 * DAY - SECOND, &done(None));
    let due = start() + 60 * DAY;
    scene.check(due, &Step::Stage(Reason::Due(due)));
    scene.check(start() + 90 * DAY, &Step::Stage(Reason::Due(due)));
}

#[test]
fn a_staged_pair_is_promoted_when_every_api_server_has_its_ca() {
    let at = start() + 60 * DAY;
    let scene = Scene::new().staged(at);
    scene.check(at, &Step::Publish);
    let next = scene.stored.next.clone();
    let mut scene = scene.trusting(&next);
    scene.trust.as_mut().unwrap().published = Some(at);
    assert_eq!(scene.step(at, 29 * SECOND), Step::Settle(SECOND));
    assert_eq!(scene.step(at, 30 * SECOND), Step::Promote);
    assert_eq!(scene.once(at + 29 * SECOND), Step::Settle(SECOND));
    assert_eq!(scene.once(at + 30 * SECOND), Step::Promote);
    // A note of the future, or of another pair, proves nothing.
    scene.check(at - SECOND, &Step::Publish);
    let mut other = scene;
    other.trust.as_mut().unwrap().published_for = Some("other".to_owned());
    other.check(at, &Step::Publish);
}

#[test]
fn a_staged_pair_that_grew_old_is_replaced() {
    let at = start() + 60 * DAY;
    let scene = Scene::new().staged(start());
    let next = scene.stored.next.clone();
    let scene = scene.trusting(&next);
    assert_eq!(scene.step(at, HOUR), Step::Stage(Reason::Due(at)));
    assert_eq!(scene.step(at - SECOND, HOUR), Step::Promote);
}

#[test]
fn a_pair_that_no_client_accepts_is_replaced_by_the_last_one_or_a_new_one() {
    let good = Scene::new();
    let (late, early) = (start() + 90 * DAY + SECOND, start() - DAY - SECOND);
    let broken =
        |pem: Pem| Scene { stored: Stored { current: pem, ..Stored::default() }, ..Scene::new() };
    let key = pair(start()).key;
    let mismatch = Pem { key, ..good.stored.current.clone() };
    let mut renamed = Scene::new();
    renamed.policy.dns_names.push("new.default.svc".to_owned());
    let cases = [
        (broken(Pem::default()), start(), Reason::Damaged(Damage::Absent)),
        (broken(mismatch), start(), Reason::Damaged(Damage::Mismatch)),
        (Scene::new(), late, Reason::Expired(start() + 90 * DAY)),
        (Scene::new(), early, Reason::NotYetValid(start() - DAY)),
        (renamed, start(), Reason::Name("new.default.svc".to_owned())),
    ];
    for (mut scene, now, reason) in cases {
        let mut memory = Memory::default();
        let in_use = scene.observed().in_use(&scene.policy).fingerprint();
        let trust = scene.trust.as_mut().unwrap();
        (trust.published, trust.published_for) = (Some(now), Some(in_use));
        assert_eq!(scene.step(now, HOUR), Step::Stage(reason.clone()));
        // What was issued is published before it is written.
        let issued = pair(now);
        let mut names = scene.policy.clone();
        names.dns_names = vec![NAME.to_owned()];
        memory.see(&scene.observed(), &scene.policy, now, HOUR);
        memory.keep(Pair::parse(issued.clone()).unwrap());
        assert_eq!(plan(&scene.observed(), &memory, &names, now), Step::Publish);
        let trusted = scene.trusting(&issued);
        let step = plan(&trusted.observed(), &memory, &names, now);
        if !matches!(reason, Reason::Name(_)) {
            assert_eq!(step, Step::Mend(reason));
        }
    }
}

#[test]
fn the_last_good_pair_is_written_again() {
    let mut scene = Scene::new();
    let mut memory = Memory::default();
    memory.see(&scene.observed(), &scene.policy, start(), Duration::ZERO);
    scene.stored = Stored::default();
    memory.see(&scene.observed(), &scene.policy, start(), SECOND);
    let step = plan(&scene.observed(), &memory, &scene.policy, start());
    assert_eq!(step, Step::Mend(Reason::Damaged(Damage::Absent)));
    // The bundle, too, although the Secret does not show it.
    scene.trust = Some(Trust::default());
    assert_eq!(plan(&scene.observed(), &memory, &scene.policy, start()), Step::Publish);
}

#[test]
fn without_a_configuration_the_secret_is_repaired_but_not_renewed() {
    let mut scene = Scene { trust: None, ..Scene::new() };
    let blocked = Step::Blocked(Obstacle::NoConfiguration);
    scene.check(start(), &blocked);
    scene.check(start() + 60 * DAY, &blocked);
    scene.stored.current.key.clear();
    scene.check(start(), &Step::Stage(Reason::Damaged(Damage::Key)));
}

#[test]
fn a_request_is_a_reason() {
    let mut scene = Scene::new();
    scene.policy.force = true;
    scene.check(start(), &Step::Stage(Reason::Requested));
    let mut scene = Scene::new();
    scene.stored.renew = "now".to_owned();
    scene.check(start(), &Step::Stage(Reason::Requested));
}

#[test]
fn other_cas_are_removed_when_nothing_has_changed_for_the_overlap() {
    let scene = Scene::new().trusting(&pair(start()));
    assert_eq!(scene.step(start(), Duration::ZERO), done(Some(HOUR)));
    assert_eq!(scene.step(start(), 3_599 * SECOND), done(Some(SECOND)));
    assert_eq!(scene.step(start(), HOUR), Step::Prune);
    assert_eq!(scene.once(start() + 3_599 * SECOND), done(Some(SECOND)));
    assert_eq!(scene.once(start() + HOUR), Step::Prune);
}

#[test]
fn a_ca_that_replicas_may_serve_stays_while_the_secret_is_missing() {
    let first = Scene::new();
    let second = Scene::new().trusting(&first.stored.current);
    let trust = second.trust.clone();
    let missing = Scene { stored: Stored::default(), trust, ..Scene::new() };
    let mut memory = Memory::default();
    let mut see = |scene: &Scene, at: Duration| {
        memory.see(&scene.observed(), &policy(), start(), at);
        plan(&scene.observed(), &memory, &policy(), start())
    };
    see(&first, Duration::ZERO);
    see(&second, Duration::ZERO);
    for at in [SECOND, HOUR, 2 * HOUR] {
        assert!(matches!(see(&missing, at), Step::Mend(_)), "{at:?}");
    }
    assert_eq!(see(&second, 2 * HOUR + SECOND), done(None));
    assert_eq!(see(&second, 3 * HOUR), done(None));
    assert_eq!(see(&second, 3 * HOUR + SECOND), Step::Prune);
}

#[test]
fn the_owner_is_set_unless_another_controller_manages_the_secret() {
    Scene { owner: Owner::Other, ..Scene::new() }.check(start(), &Step::Mend(Reason::Owner));
    let other = Owner::Controller("Certificate x".to_owned());
    let mut managed = Scene { owner: other, ..Scene::new() };
    managed.check(start(), &done(None));
    managed.stored.current.key.clear();
    managed.trust.as_mut().unwrap().published_for = Some(Bundle::default().fingerprint());
    let reason = Reason::Damaged(Damage::Key);
    let blocked = Step::Blocked(Obstacle::Managed(reason, "Certificate x".to_owned()));
    managed.check(start(), &blocked);
}

#[test]
fn of_a_provided_certificate_only_the_ca_matters() {
    let mut scene = Scene::new();
    scene.policy.provided = Some(Bundle::default());
    scene.stored.current.key.clear();
    scene.stored.current.certificate = "several certificates".to_owned();
    let provided = Step::Done(Outlook { lifetime: None, prune: None });
    scene.check(start() + 90 * DAY, &provided);
    // Helm wrote the bundle from values: to become its owner as well is a write.
    scene.policy.provided = Some(scene.trust.as_ref().unwrap().bundle.clone());
    scene.check(start(), &provided);
    scene.trust.as_mut().unwrap().is_owned = false;
    scene.check(start(), &Step::Publish);
    scene.trust = Some(Trust::default());
    scene.check(start(), &Step::Publish);

    // Its issuer stays, whatever else is provided.
    let mut next = Scene::new();
    next.policy.provided = Some(Bundle::parse(&pair(start()).ca));
    next.stored.current.ca.clear();
    next.check(start(), &Step::Publish);
    let trust = next.trust.as_mut().unwrap();
    trust.bundle.add(next.policy.provided.as_ref().unwrap());
    trust.published_for = Some(Bundle::default().fingerprint());
    next.check(start() + 2 * HOUR, &provided);

    let mut none = Scene::new();
    none.policy.provided = Some(Bundle::default());
    none.stored = Stored::default();
    none.check(start(), &Step::Blocked(Obstacle::NoAuthority));
    let provided = Bundle::parse(&pair(start()).ca);
    none.policy.provided = Some(provided);
    none.check(start(), &Step::Publish);
}
