//! What a step writes: pure as well, except for the key of a new pair.

use std::time::SystemTime;

use super::{
    memory::Memory,
    observed::{Observed, Stored},
    plan::{Step, needed},
    policy::RotationPolicy,
};
use crate::{bundle::Bundle, pair::Pair};

/// One write to one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A new pair for the process to remember.
    Memory(Pair),
    /// The new content of the Secret.
    Secret(Stored),
    /// What the API server will trust, and the fingerprint of the CAs in use.
    Bundle(Bundle, String),
}

/// The write of `step`, decided on the same arguments; none for a pause or the
/// end.
pub fn write<E>(
    step: &Step,
    observed: &Observed,
    memory: &Memory,
    policy: &RotationPolicy,
    now: SystemTime,
    new_pair: impl FnOnce() -> Result<Pair, E>,
) -> Result<Option<Write>, E> {
    let stored = observed.stored.clone();
    let bundle = |bundle| {
        // A pair that is about to be written is as good as in use.
        let issued = memory.good().filter(|_| observed.in_use(policy).is_empty());
        let mark = issued.map_or_else(|| observed.mark(policy), |pair| pair.ca().fingerprint());
        Write::Bundle(bundle, mark)
    };
    let needed = || needed(observed, memory, policy, now);
    Ok(Some(match step {
        Step::Mend(_) => match (policy.check(&observed.current, now), memory.good()) {
            (Err(_), Some(good)) => Write::Secret(Stored { current: good.pem().clone(), ..stored }),
            _ => Write::Secret(stored),
        },
        Step::Stage(_) if policy.check(&observed.current, now).is_err() => {
            Write::Memory(new_pair()?)
        }
        Step::Stage(_) => Write::Secret(Stored { next: new_pair()?.into_pem(), ..stored }),
        Step::Promote => Write::Secret(Stored { current: stored.next, ..Stored::default() }),
        Step::Publish => {
            let mut trusted = observed.trust.clone().unwrap_or_default().bundle;
            trusted.add(&needed());
            bundle(trusted)
        }
        Step::Prune => bundle(needed()),
        Step::Settle(_) | Step::Done(_) | Step::Blocked(_) => return Ok(None),
    }))
}
