use super::*;
use crate::{
    bundle::Bundle,
    issue::{Request, issue},
    pair::Texts,
    rotate::observed::Held,
};

const NAME: &str = "w.default.svc";
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// When the pair in use was issued.
fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(498_720)
}

fn pair(at: SystemTime) -> Texts {
    let dns_names = vec![NAME.to_owned()];
    let lifetime = "90d".parse().unwrap();
    issue(&Request { dns_names, addresses: Vec::new(), lifetime }, at).unwrap().into()
}

fn policy() -> Policy {
    let dns_names = vec![NAME.to_owned()];
    Policy { dns_names, settle: 30 * SECOND, overlap: HOUR, force: false }
}

/// A cluster in the ordinary state, which tests then disturb.
struct Scene {
    held: Held,
    adopted: bool,
    trusted: Vec<String>,
    published: Option<SystemTime>,
}

impl Scene {
    fn new() -> Self {
        let current = pair(start());
        Self {
            trusted: vec![current.ca.clone()],
            held: Held { current, next: Texts::default(), promoted: Some(start()) },
            adopted: true,
            published: Some(start()),
        }
    }

    fn staged(mut self, at: SystemTime) -> Self {
        self.held.next = pair(at);
        self
    }

    fn published(mut self, at: SystemTime) -> Self {
        self.trusted.push(self.held.next.ca.clone());
        self.published = Some(at);
        self
    }

    fn plan(&self, policy: &Policy, now: SystemTime) -> Step {
        let bundle = Bundle::parse(&self.trusted.concat());
        let observed = Observed::new(self.held.clone(), self.adopted, bundle, self.published);
        plan(&observed, policy, now)
    }

    #[track_caller]
    fn check(&self, now: SystemTime, expected: &Step) {
        assert_eq!(self.plan(&policy(), now), *expected);
    }
}

fn done() -> Outlook {
    Outlook { not_after: start() + 90 * DAY, renewal: start() + 60 * DAY, prune: None }
}

#[test]
fn a_fresh_pair_is_left_alone_for_two_thirds_of_its_life() {
    let scene = Scene::new();
    scene.check(start(), &Step::Done(done()));
    scene.check(start() + 60 * DAY - SECOND, &Step::Done(done()));
    let due = start() + 60 * DAY;
    scene.check(due, &Step::Stage(Reason::Due(due)));
    scene.check(start() + 90 * DAY, &Step::Stage(Reason::Due(due)));
}

#[test]
fn a_staged_pair_comes_into_use_when_the_bundle_has_settled() {
    let at = start() + 60 * DAY;
    let scene = Scene::new().staged(at);
    scene.check(at, &Step::Publish);
    let scene = scene.published(at);
    scene.check(at, &Step::Wait(30 * SECOND));
    scene.check(at + 29 * SECOND, &Step::Wait(SECOND));
    scene.check(at + 30 * SECOND, &Step::Promote);
    scene.check(at + 20 * DAY, &Step::Promote);
    // A bundle without a time, or with one of tomorrow, says nothing.
    Scene { published: None, ..Scene::new().staged(at) }.check(at, &Step::Publish);
    Scene::new().staged(at).published(at + DAY).check(at, &Step::Publish);
}

#[test]
fn a_staged_pair_that_grew_old_is_replaced() {
    let at = start() + 60 * DAY;
    let scene = Scene::new().staged(start()).published(start());
    scene.check(at, &Step::Stage(Reason::Due(at)));
    scene.check(at - SECOND, &Step::Promote);
}

#[test]
fn what_the_api_server_forgot_it_is_told_again() {
    let mut scene = Scene::new().staged(start()).published(start());
    scene.trusted.remove(0);
    scene.check(start() + DAY, &Step::Publish);
    scene.trusted = vec!["nothing that can be read".to_owned()];
    scene.check(start() + DAY, &Step::Publish);
}

#[test]
fn nothing_trusted_is_nothing_disturbed() {
    let mut scene = Scene::new();
    scene.held = Held::default();
    let absent = Reason::Damaged(Damage::Absent);
    // Replicas may have in memory what the Secret has lost.
    scene.check(start(), &Step::Stage(absent.clone()));
    scene.check(start() + 90 * DAY, &Step::Stage(absent.clone()));
    scene.check(start() + 90 * DAY + SECOND, &Step::Issue(absent.clone()));
    scene.trusted.clear();
    scene.check(start(), &Step::Issue(absent));

    let late = start() + 90 * DAY + SECOND;
    Scene::new().check(late, &Step::Issue(Reason::Expired(start() + 90 * DAY)));
}

#[test]
fn damage_is_replaced_and_named() {
    let mut scene = Scene::new();
    scene.held.current.key = pair(start()).key;
    scene.check(start(), &Step::Stage(Reason::Damaged(Damage::Mismatch)));
    scene.held.current = Scene::new().held.current;
    scene.held.current.ca = "x".to_owned();
    scene.check(start(), &Step::Stage(Reason::Damaged(Damage::Ca)));

    let mut scene = Scene::new();
    scene.held.next.certificate = "cut".to_owned();
    scene.check(start(), &Step::Discard);
}

#[test]
fn another_name_or_a_wish_is_a_reason() {
    let mut renamed = policy();
    renamed.dns_names.push("new.default.svc".to_owned());
    let step = Scene::new().plan(&renamed, start());
    assert_eq!(step, Step::Stage(Reason::Name("new.default.svc".to_owned())));

    let forced = Policy { force: true, ..policy() };
    assert_eq!(Scene::new().plan(&forced, start()), Step::Stage(Reason::Forced));
    let staged = Scene::new().staged(start()).published(start());
    assert_eq!(staged.plan(&forced, start() + HOUR), Step::Promote, "one that waits is the wish");
}

#[test]
fn earlier_cas_leave_when_both_objects_have_been_as_they_are_for_the_overlap() {
    let at = start() + DAY;
    let mut scene = Scene::new();
    scene.trusted.push(pair(start()).ca);
    scene.check(at, &Step::Prune);

    scene.held.promoted = Some(at);
    let prune = Some(at + HOUR);
    scene.check(at, &Step::Done(Outlook { prune, ..done() }));
    scene.check(at + HOUR - SECOND, &Step::Done(Outlook { prune, ..done() }));
    scene.check(at + HOUR, &Step::Prune);

    // A Secret from a backup says that all happened long ago.
    scene.held.promoted = Some(start());
    scene.published = Some(at);
    scene.check(at + HOUR - SECOND, &Step::Done(Outlook { prune, ..done() }));
    for unknown in [None, Some(at + DAY)] {
        scene.held.promoted = unknown;
        scene.check(at, &Step::Confirm);
    }
}

#[test]
fn a_secret_of_an_earlier_configuration_is_adopted() {
    Scene { adopted: false, ..Scene::new() }.check(start(), &Step::Adopt);
}
