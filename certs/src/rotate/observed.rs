//! The two objects as the plan sees them.

use std::time::SystemTime;

use super::policy::RotationPolicy;
use crate::{
    bundle::Bundle,
    pair::{Damage, Pair, Pem},
};

/// What the Secret holds, valid or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The pair in use.
    pub current: Pem,
    /// The staged pair.
    pub next: Pem,
    /// A request for a new pair; empty if there is none.
    pub renew: String,
}

/// With what the Secret will be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// With the release, as it should be.
    Release,
    /// With something else, or never.
    Other,
    /// Another controller manages the Secret; its kind and name.
    Controller(String),
}

/// The webhook's part of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The CAs that the API server trusts.
    pub bundle: Bundle,
    /// Whether this program owns the bundle, so that Helm leaves it where it has none itself.
    pub is_owned: bool,
    /// When the bundle was last written.
    pub published: Option<SystemTime>,
    /// The fingerprint of the CAs in use at that time.
    pub published_for: Option<String>,
}

/// Both objects, read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// What the Secret holds; nothing if there is no Secret.
    pub stored: Stored,
    /// The pair that replicas serve.
    pub current: Result<Pair, Damage>,
    /// The pair that comes next; `Damage::Absent` is the usual case.
    pub next: Result<Pair, Damage>,
    /// With what the Secret will be deleted.
    pub owner: Owner,
    /// What the API server trusts; none without a configuration that has the
    /// webhook.
    pub trust: Option<Trust>,
}

impl Observed {
    /// Checks what was read. `owner` is none if there is no Secret.
    pub fn new(stored: Stored, owner: Option<Owner>, trust: Option<Trust>) -> Self {
        let current = Pair::parse(stored.current.clone());
        let next = Pair::parse(stored.next.clone());
        // A new Secret gets the right owner.
        let owner = owner.unwrap_or(Owner::Release);
        Self { stored, current, next, owner, trust }
    }

    /// The CAs of the certificate that replicas will serve when they have the
    /// Secret; none if it is unknown.
    pub fn in_use(&self, policy: &RotationPolicy) -> Bundle {
        match (&policy.provided, &self.current) {
            (None, Ok(pair)) => pair.ca().clone(),
            (None, Err(_)) => Bundle::default(),
            (Some(provided), _) => {
                let mut bundle = Bundle::parse(&self.stored.current.ca);
                bundle.add(provided);
                bundle
            }
        }
    }

    /// What tells a pair in use from the one before: the fingerprint of its CAs in the
    /// Secret. What one process was given besides is not part of it, or two processes that
    /// were given others would correct each other without end.
    pub fn mark(&self, policy: &RotationPolicy) -> String {
        match policy.provided {
            None => self.in_use(policy).fingerprint(),
            Some(_) => Bundle::parse(&self.stored.current.ca).fingerprint(),
        }
    }
}
