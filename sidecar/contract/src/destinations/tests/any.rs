//! Any destinations, and what holds for all of them.

use proptest::prelude::*;

use super::*;
use crate::{DestinationName, settings::tests::any::all_settings};

/// A sidecar's settings, and for other destinations those that describe one.
fn destinations() -> impl Strategy<Value = Destinations> {
    let names = prop::collection::btree_set("[a-z][a-z0-9-]{0,3}[a-z]", 0..4);
    let others = prop::collection::vec(all_settings(), 4);
    (all_settings(), names, others, any::<bool>()).prop_map(|(first, names, others, is_named)| {
        let name = |name: &String| Some(name.parse::<DestinationName>().unwrap());
        let mut names = names.iter();
        let first_name = if is_named { names.next().and_then(name) } else { None };
        let first = Destination { name: first_name, settings: first };
        let others = names.zip(others).map(|(one, other)| {
            let Settings { ingestion_url, identity, cloud, audience, response_mode, .. } = other;
            let described = Settings {
                ingestion_url,
                identity,
                cloud,
                audience,
                response_mode,
                ..first.settings.clone()
            };
            Destination { name: name(one), settings: described }
        });
        let others = others.collect();
        Destinations::new(first, others)
    })
}

proptest! {
    #[test]
    fn the_sidecar_reads_the_variables_of_the_webhook(mut all in destinations()) {
        let share = all.limits().max_in_flight;
        all.first.settings.limits.max_request = share;
        for other in &mut all.others {
            other.settings.limits = all.first.settings.limits;
        }
        let variables = all.to_env();
        let names: std::collections::BTreeSet<_> = variables.iter().map(|(name, _)| name).collect();
        prop_assert_eq!(names.len(), variables.len(), "a variable is written twice");
        let read = Destinations::from_env(variables).map(|read| Destinations { warnings: vec![], ..read });
        prop_assert_eq!(read, Ok(all));
    }

    #[test]
    fn no_environment_makes_it_panic(
        names in prop::collection::vec("(INGESTION_URL|CLOUD|IDENTITY_TYPE|MDM_CERT_PATH)[A-Z_a-z0-9]{0,8}", 0..20),
        value in ".{0,40}",
    ) {
        let _ = Destinations::from_env(names.into_iter().map(|name| (name, value.clone())));
    }
}
