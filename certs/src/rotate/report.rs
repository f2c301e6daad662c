//! How steps and their reasons read in the log.

use std::{fmt, time::SystemTime};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::plan::{Outlook, Reason, Step};

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
            Self::Issue(reason) => write!(f, "put a new certificate into use at once: {reason}"),
            Self::Stage(reason) => {
                write!(f, "store a new certificate beside the one in use: {reason}")
            }
            Self::Discard => f.write_str("drop the stored next certificate: it is of no use"),
            Self::Publish => f.write_str("let the API server trust the CAs of stored certificates"),
            Self::Wait(rest) => {
                write!(f, "wait {} s until every API server knows the new CA", whole_seconds(*rest))
            }
            Self::Promote => f.write_str("put the new certificate into use"),
            Self::Confirm => {
                f.write_str("note that the certificate is in use since now at the latest")
            }
            Self::Adopt => f.write_str("let the Secret be deleted together with the configuration"),
            Self::Prune => f.write_str("let the API server forget the CAs of earlier certificates"),
            Self::Done(outlook) => write!(f, "nothing is left to do: {outlook}"),
        }
    }
}

impl fmt::Display for Outlook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (end, renewal) = (timestamp(self.not_after), timestamp(self.renewal));
        write!(f, "the certificate ends {end}, a run from {renewal} on renews it")?;
        match self.prune {
            Some(prune) => {
                write!(f, ", one from {} on removes earlier CAs", timestamp(prune))
            }
            None => Ok(()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(damage) => write!(f, "of the stored one, {damage}"),
            Self::Expired(end) => write!(f, "the stored one ended {}", timestamp(*end)),
            Self::Due(due) => {
                write!(f, "two thirds of the stored one's life were over {}", timestamp(*due))
            }
            Self::Name(name) => write!(f, "the stored one does not stand for {name}"),
            Self::Forced => f.write_str("it was asked for"),
        }
    }
}

/// Rounded up: "wait 0 s" would be a riddle.
fn whole_seconds(duration: std::time::Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
