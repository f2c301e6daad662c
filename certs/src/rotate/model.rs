//! The rotation in a model of a cluster, where everything that may happen does:
//! two runs at once, each killed or held up anywhere, API servers and replicas
//! that see changes as late as they may, a Secret deleted or damaged.
//!
//! What a run writes bears the time of its decision, so a decision is acted on
//! soon or, as the program has it, never.
//!
//! What must hold after every event: where an API server trusted what a replica
//! served, it still does, as long as that is valid at all. And in the end each
//! trusts what each serves.

mod world;

use std::time::Duration;

use proptest::{prelude::*, sample::Index};

use self::world::World;
use super::plan::Step;
use crate::pair::Pair;

const SETTLE: Duration = Duration::from_secs(30);
const OVERLAP: Duration = Duration::from_hours(1);

#[derive(Clone, Debug)]
enum Event {
    /// A run reads both objects and decides.
    Look(Index),
    /// A run writes what it decided.
    Act(Index),
    /// A run is killed, and another one takes its place.
    Kill(Index),
    /// The next decision of any run is asked to renew.
    Force,
    /// Time passes.
    Pass(Duration),
    /// An API server sees the configuration.
    ApiServer(Index),
    /// A replica sees the Secret.
    Replica(Index),
    /// Somebody deletes the Secret.
    Delete,
    /// Somebody cuts one of the Secret's values off.
    Damage(Index),
}

fn event() -> impl Strategy<Value = Event> {
    let index = any::<Index>;
    prop_oneof![
        8 => index().prop_map(Event::Look),
        8 => index().prop_map(Event::Act),
        1 => index().prop_map(Event::Kill),
        2 => Just(Event::Force),
        3 => (1_u64..60).prop_map(|seconds| Event::Pass(Duration::from_secs(seconds))),
        2 => (1_u64..90).prop_map(|minutes| Event::Pass(Duration::from_mins(minutes))),
        1 => (1_u64..25).prop_map(|days| Event::Pass(Duration::from_hours(24 * days))),
        3 => index().prop_map(Event::ApiServer),
        3 => index().prop_map(Event::Replica),
        1 => Just(Event::Delete),
        1 => index().prop_map(Event::Damage),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn api_servers_and_replicas_agree_whatever_happens(
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
            world.check()?;
        }
        // Left alone, one run ends, and everything is in order then.
        for _ in 0..20 {
            let (step, decision) = world.look();
            if matches!(step, Step::Done(_)) {
                break;
            }
            if let Some(decision) = decision {
                world.act(decision);
            }
            world.pass(SETTLE);
            world.check()?;
        }
        world.pass(OVERLAP);
        world.check()?;
        let held = world.secret.value.clone().unwrap();
        let pair = Pair::parse(held.current).unwrap();
        prop_assert!(pair.renewal() > world.now && held.next.is_empty());
        prop_assert!(world.trust.iter().all(|trusts| *trusts));
        prop_assert!(matches!(world.look().0, Step::Done(_) | Step::Prune));
    }
}
