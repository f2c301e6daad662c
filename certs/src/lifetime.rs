//! The lifetime of a certificate, as users write it: `90d`, `8760h`, `1d12h`.
//!
//! The format is that of the project's other durations, with days added: the
//! others are limits within one request, of at most 24 hours.

use std::{str::FromStr, time::Duration};

use contract::InvalidValue;

/// Certificates are valid from this long before they are issued. API servers
/// must accept them although their clocks are behind, or this program's clock
/// was ahead when it issued.
pub const CLOCK_SKEW: Duration = Duration::from_hours(24);

/// The lifetime of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime(Duration);

/// Shorter than the clock skew that is allowed for makes no sense.
const MIN: Duration = Duration::from_mins(1);
/// Go, and so the API server, reads years up to 9999; ten years is longer than the
/// lifetime of any cluster's certificates.
const MAX: Duration = Duration::from_hours(3660 * 24);

impl Lifetime {
    /// The time between first and last second.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Lifetime {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        total(text).filter(|total| (MIN..=MAX).contains(total)).map(Self).ok_or_else(|| {
            InvalidValue::expected("a duration from 1m to 3660d such as 90d or 8760h")
        })
    }
}

fn total(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, next) =
            tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        let seconds = match unit {
            "d" => 86_400,
            "h" => 3_600,
            "m" => 60,
            "s" => 1,
            _ => return None,
        };
        let part = number.parse::<u64>().ok()?.checked_mul(seconds)?;
        total = total.checked_add(Duration::from_secs(part))?;
        rest = next;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes() {
        let check = |text: &str, seconds: Option<u64>| {
            let parsed = text.parse().ok().map(|lifetime: Lifetime| lifetime.duration());
            assert_eq!(parsed, seconds.map(Duration::from_secs), "{text:?}");
        };
        check("90d", Some(7_776_000));
        check("8760h", Some(31_536_000));
        check("1d12h", Some(129_600));
        check("1m", Some(60));
        for bad in
            ["", "0d", "59s", "90", "d", "-1d", "1.5d", "1y", "3661d", "99999999999999999999d"]
        {
            check(bad, None);
        }
    }
}
