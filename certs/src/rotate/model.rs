//! The rotation in a model of a cluster, where everything that can happen does:
//! two processes at once, each killed or delayed anywhere, clocks that jump, API
//! servers and replicas that receive changes as late as they may, and people
//! who delete, replace and damage both objects.
//!
//! Two properties hold. Without interference, an API server that trusted what a
//! replica serves continues to do so, as long as that is valid. And whatever
//! anybody did, a process that is left alone repairs everything; one that has
//! run all the time does so at once.

mod world;

use std::time::Duration;

use proptest::{prelude::*, sample::Index};

use self::world::World;
use super::plan::Step;

const SETTLE: Duration = Duration::from_secs(30);
const OVERLAP: Duration = Duration::from_hours(1);
/// A repair takes fewer steps.
const STEPS: usize = 12;

/// What a process, the cluster and time do.
#[derive(Clone, Debug)]
enum Event {
    /// A process reads both objects and decides.
    Look(Index),
    /// A process writes what it decided.
    Act(Index),
    /// A process is killed, and another one takes its place.
    Kill(Index),
    /// The wall clock of a process jumps, by minutes.
    Jump(Index, i64),
    /// Time passes.
    Pass(Duration),
    /// An API server receives the configuration.
    ApiServer(Index),
    /// A replica receives the Secret.
    Replica(Index),
    /// A replica is replaced by a new one.
    Restart(Index),
    /// Somebody asks for a new certificate.
    Renew,
    /// Somebody interferes.
    Fault(Fault),
}

/// Changes of the objects by people and tools.
#[derive(Clone, Debug)]
enum Fault {
    DeleteSecret,
    /// One of the Secret's six values is cut off.
    CutSecret(Index),
    /// One of the Secret's six values is removed.
    EmptySecret(Index),
    GarbageSecret,
    /// A valid pair for the right name, of another CA.
    ForeignPair,
    /// A valid pair for another name.
    ForeignName,
    ForeignOwner,
    DeleteConfiguration,
    /// Created again if it does not exist; the bundle is empty either way.
    ReplaceConfiguration,
    ForeignBundle,
    RemoveNotes,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::DeleteSecret),
        any::<Index>().prop_map(Fault::CutSecret),
        any::<Index>().prop_map(Fault::EmptySecret),
        Just(Fault::GarbageSecret),
        Just(Fault::ForeignPair),
        Just(Fault::ForeignName),
        Just(Fault::ForeignOwner),
        Just(Fault::DeleteConfiguration),
        Just(Fault::ReplaceConfiguration),
        Just(Fault::ForeignBundle),
        Just(Fault::RemoveNotes),
    ]
}

fn ordinary() -> impl Strategy<Value = Event> {
    let index = any::<Index>;
    prop_oneof![
        8 => index().prop_map(Event::Look),
        8 => index().prop_map(Event::Act),
        1 => index().prop_map(Event::Kill),
        // Certificates are valid from 24 hours before they are issued.
        1 => (index(), -1_400_i64..1_400).prop_map(|(process, by)| Event::Jump(process, by)),
        3 => (1_u64..60).prop_map(|seconds| Event::Pass(Duration::from_secs(seconds))),
        2 => (1_u64..90).prop_map(|minutes| Event::Pass(Duration::from_mins(minutes))),
        1 => (1_u64..25).prop_map(|days| Event::Pass(Duration::from_hours(24 * days))),
        3 => index().prop_map(Event::ApiServer),
        3 => index().prop_map(Event::Replica),
        1 => index().prop_map(Event::Restart),
        2 => Just(Event::Renew),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![6 => ordinary(), 1 => fault().prop_map(Event::Fault)]
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_replica_loses_trust_unless_another_client_interferes(
        events in prop::collection::vec(ordinary(), 1..120),
    ) {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
            world.check()?;
        }
        world.converge()?;
    }

    #[test]
    fn everything_is_repaired_whatever_anybody_did(
        events in prop::collection::vec(any_event(), 1..120),
    ) {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
            world.check()?;
        }
        world.converge()?;
    }

    #[test]
    fn a_process_that_runs_all_the_time_repairs_at_once(
        events in prop::collection::vec(any_event(), 1..80),
    ) {
        let mut world = World::new();
        world.settle_down();
        for event in &events {
            // There is one process, and it sees every change.
            if !matches!(event, Event::Look(_) | Event::Act(_) | Event::Kill(_)) {
                world.happen(event);
                world.settle_down();
                world.check_repaired()?;
            }
        }
    }
}

#[test]
fn at_installation_the_api_server_trusts_before_the_secret_exists() {
    let mut world = World::empty();
    let steps: Vec<_> = world.settle_down();
    let names: Vec<_> = steps.iter().map(|step| format!("{step:?}")).collect();
    assert!(
        matches!(steps[..], [Step::Stage(_), Step::Publish, Step::Mend(_), Step::Done(_)]),
        "{names:?}"
    );
}
