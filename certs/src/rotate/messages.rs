//! The text of steps and their reasons in the log.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    Error, chain,
    plan::{Obstacle, Outlook, Step},
    policy::Reason,
};

/// Logs that a step failed and is tried again after `pause`.
pub(super) fn retrying(error: &Error, pause: Duration) {
    let reason = chain(error);
    if error.is_conflict() {
        tracing::info!(reason, ?pause, "retrying");
    } else {
        tracing::warn!(reason, ?pause, "retrying");
    }
}

/// A time as people and annotations write it: `2026-11-23T04:05:06Z`.
pub(crate) fn timestamp(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let whole = time.replace_nanosecond(0).unwrap_or(time);
    whole.format(&Rfc3339).unwrap_or_else(|_| whole.to_string())
}

/// Reads what [`timestamp`] writes.
pub(crate) fn parse_timestamp(text: &str) -> Option<SystemTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(SystemTime::from)
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mend(reason) => write!(f, "write the Secret again: {reason}"),
            Self::Stage(reason) => write!(f, "issue a new certificate: {reason}"),
            Self::Publish => f.write_str("add the CA to the webhook configuration"),
            Self::Settle(rest) => {
                write!(f, "wait {} s until every API server has the new CA", whole_seconds(*rest))
            }
            Self::Promote => f.write_str("put the new certificate into use"),
            Self::Prune => f.write_str("remove earlier CAs from the webhook configuration"),
            Self::Done(outlook) => write!(f, "everything is up to date: {outlook}"),
            Self::Blocked(obstacle) => write!(f, "nothing can be done: {obstacle}"),
        }
    }
}

impl fmt::Display for Outlook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lifetime {
            Some((end, renewal)) => {
                let (end, renewal) = (timestamp(end), timestamp(renewal));
                write!(f, "the certificate expires {end} and is renewed from {renewal} on")?;
            }
            None => f.write_str("the API server trusts the CA of the provided certificate")?,
        }
        match self.prune {
            Some(prune) => write!(f, "; earlier CAs are removed in {} s", whole_seconds(prune)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(damage) => write!(f, "{damage}"),
            Self::Expired(end) => write!(f, "the certificate expired {}", timestamp(*end)),
            Self::NotYetValid(start) => {
                write!(f, "the certificate is not valid before {}", timestamp(*start))
            }
            Self::Name(name) => write!(f, "the certificate is not valid for {name}"),
            Self::Due(due) => {
                write!(f, "two thirds of the certificate's lifetime passed {}", timestamp(*due))
            }
            Self::Requested => f.write_str("a new one was requested"),
            Self::Owner => f.write_str("it would not be deleted with the release"),
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConfiguration => f.write_str(
                "the webhook configuration does not exist, or has no such webhook: install it",
            ),
            Self::Managed(reason, owner) => write!(
                f,
                "the Secret must be written ({reason}), but {owner} controls it: delete one of the two"
            ),
            Self::NoAuthority => f.write_str(
                "the Secret has no CA: give it a ca.crt, or set certificates.provided.caBundle",
            ),
        }
    }
}

/// Rounded up: "wait 0 s" would be confusing.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
