//! What a step writes: pure as well, but for the key of a new pair.

use std::time::SystemTime;

use super::{
    observed::{Held, Observed},
    plan::Step,
};
use crate::{bundle::Bundle, pair::Texts};

/// One write to one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// What the Secret shall hold.
    Secret(Held),
    /// Whom the API server shall trust.
    Bundle(Bundle),
}

/// The write that `step` is, decided on `observed`; none for a pause or the end.
pub fn write<E>(
    step: &Step,
    observed: &Observed,
    now: SystemTime,
    new_pair: impl FnOnce() -> Result<Texts, E>,
) -> Result<Option<Write>, E> {
    let held = observed.held.clone();
    let none = Texts::default();
    Ok(Some(match step {
        Step::Issue(_) => {
            Write::Secret(Held { current: new_pair()?, next: none, promoted: Some(now) })
        }
        Step::Stage(_) => Write::Secret(Held { next: new_pair()?, ..held }),
        Step::Promote => {
            Write::Secret(Held { current: held.next, next: none, promoted: Some(now) })
        }
        Step::Discard => Write::Secret(Held { next: none, ..held }),
        Step::Confirm => Write::Secret(Held { promoted: Some(now), ..held }),
        // Who owns the Secret is written with each write to it.
        Step::Adopt => Write::Secret(held),
        Step::Publish => Write::Bundle(trusting_stored(observed)),
        Step::Prune => Write::Bundle(trusting_current(observed)),
        Step::Wait(_) | Step::Done(_) => return Ok(None),
    }))
}

fn trusting_stored(observed: &Observed) -> Bundle {
    let mut bundle = observed.bundle.clone();
    for pair in [&observed.current, &observed.next].into_iter().flatten() {
        bundle.add(&pair.texts().ca);
    }
    bundle
}

fn trusting_current(observed: &Observed) -> Bundle {
    let mut bundle = observed.bundle.clone();
    if let Ok(current) = &observed.current {
        bundle.prune(current.ca());
    }
    bundle
}
