//! The wanted state, and whether a pair is part of it.

use std::time::{Duration, SystemTime};

use crate::{
    bundle::Bundle,
    pair::{Damage, Pair},
};

/// The wanted state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationPolicy {
    /// The names under which the API server calls the webhook.
    pub dns_names: Vec<String>,
    /// How long a new bundle may take to reach every API server.
    pub settle: Duration,
    /// How long a new pair may take to reach every replica.
    pub overlap: Duration,
    /// Renew even if nothing requires it.
    pub force: bool,
    /// Others write the Secret; only trust in it is managed. These CAs are
    /// trusted besides the Secret's `ca.crt`.
    pub provided: Option<Bundle>,
}

/// Why the Secret is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The stored data is not a valid pair.
    Damaged(Damage),
    /// The pair has expired.
    Expired(SystemTime),
    /// The pair is not valid yet: a clock was wrong.
    NotYetValid(SystemTime),
    /// The certificate is not valid for this name.
    Name(String),
    /// Two thirds of its lifetime have passed.
    Due(SystemTime),
    /// A renewal was requested.
    Requested,
    /// The Secret would not be deleted with the release.
    Owner,
}

impl RotationPolicy {
    /// The pair, or why no API server would accept it.
    pub fn check<'a>(
        &self,
        pair: &'a Result<Pair, Damage>,
        now: SystemTime,
    ) -> Result<&'a Pair, Reason> {
        let pair = pair.as_ref().map_err(|damage| Reason::Damaged(*damage))?;
        if pair.not_after() < now {
            return Err(Reason::Expired(pair.not_after()));
        }
        if now < pair.not_before() {
            return Err(Reason::NotYetValid(pair.not_before()));
        }
        match pair.missing(&self.dns_names) {
            Some(name) => Err(Reason::Name(name.clone())),
            None => Ok(pair),
        }
    }
}
