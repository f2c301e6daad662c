//! What the cluster holds, as the next step sees it.

use std::time::SystemTime;

use crate::{
    bundle::Bundle,
    pair::{Damage, Pair, Texts},
};

/// What a Secret holds, damaged or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The pair in use.
    pub current: Texts,
    /// The staged pair.
    pub next: Texts,
    /// Since when the pair in use is so.
    pub promoted: Option<SystemTime>,
}

/// Both objects, read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// What the Secret holds; nothing if there is none.
    pub held: Held,
    /// The pair that replicas serve.
    pub current: Result<Pair, Damage>,
    /// The pair that comes next; `Damage::Absent` is the ordinary case.
    pub next: Result<Pair, Damage>,
    /// Whether the Secret will be deleted together with the configuration.
    pub adopted: bool,
    /// Whom the API server trusts.
    pub bundle: Bundle,
    /// When the bundle was last written, as the configuration says.
    pub published: Option<SystemTime>,
}

impl Observed {
    /// Checks what was read.
    pub fn new(held: Held, adopted: bool, bundle: Bundle, published: Option<SystemTime>) -> Self {
        let current = Pair::parse(held.current.clone());
        let next = Pair::parse(held.next.clone());
        Self { held, current, next, adopted, bundle, published }
    }
}
