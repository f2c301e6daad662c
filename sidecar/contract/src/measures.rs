//! Ports, durations and sizes, as people write them.

use std::{fmt, num::NonZeroU16, str::FromStr, time::Duration};

use crate::{InvalidValue, names};

/// A TCP port that one can connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(NonZeroU16);

impl Port {
    /// The sidecar's port unless it is told otherwise.
    pub const DEFAULT: Self =
        Self(NonZeroU16::MIN.saturating_add(names::DEFAULT_LISTENING_PORT - 1));

    /// The number.
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl FromStr for Port {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { None };
        number.map(Self).ok_or_else(|| InvalidValue::expected("a port number from 1 to 65535"))
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// This many MiB.
    pub const fn mebibytes(count: u64) -> Self {
        Self(count << 20)
    }

    /// This many KiB.
    pub(crate) const fn kibibytes(count: u64) -> Self {
        Self(count << 10)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes, as a length in memory.
    pub fn length(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// An equal share for each of so many, in whole KiB where it has one.
    #[must_use]
    pub(crate) fn divided(self, among: usize) -> Self {
        const KIB: u64 = 1 << 10;
        let share = self.0 / u64::try_from(among).unwrap_or(u64::MAX).max(1);
        let whole = if among > 1 && share >= KIB { share / KIB * KIB } else { share };
        Self(whole.max(1))
    }
}

const SIZE_UNITS: [(&str, u64); 7] = [
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
    ("", 1),
];

impl FromStr for ByteSize {
    type Err = InvalidValue;

    /// Whole numbers with Kubernetes' units. No `MB`: Prometheus takes it for
    /// 1024² bytes and others for 1000², and a quantity of Kubernetes has none.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let (number, unit) = split_number(text);
        let factor = SIZE_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let bytes = number
            .parse::<u64>()
            .ok()
            .zip(factor)
            .and_then(|(number, factor)| number.checked_mul(factor));
        match bytes {
            Some(bytes) if bytes > 0 => Ok(Self(bytes)),
            _ => Err(InvalidValue::expected(
                "a size above 0 in bytes, or with Ki, Mi, Gi (powers of 1024), k, M or G (of 1000), such as 32Mi or 1048576",
            )),
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = SIZE_UNITS
            .iter()
            .find(|(name, factor)| {
                (name.ends_with('i') || *factor == 1) && self.0.is_multiple_of(*factor)
            })
            .unwrap_or(&("", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

/// Longer times than this are no time limits: 24 hours.
const MAX_DURATION: Duration = Duration::from_hours(24);

/// Reads a duration as Prometheus and Go write it: `25s`, `1m30s`, `500ms`.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidValue> {
    let rejected =
        || InvalidValue::expected("a duration from 1ms to 24h such as 25s, 1m30s or 500ms");
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, tail) = split_number(rest);
        let unit_length = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_length);
        let unit_milliseconds = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(rejected()),
        };
        let milliseconds = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(unit_milliseconds))
            .ok_or_else(rejected)?;
        total = total.checked_add(Duration::from_millis(milliseconds)).ok_or_else(rejected)?;
        rest = next;
    }
    if total.is_zero() || total > MAX_DURATION {
        return Err(rejected());
    }
    Ok(total)
}

/// Writes a duration so that [`parse_duration`] reads it back.
pub fn format_duration(duration: Duration) -> String {
    match duration.as_millis() {
        whole if whole % 3_600_000 == 0 => format!("{}h", whole / 3_600_000),
        whole if whole % 60_000 == 0 => format!("{}m", whole / 60_000),
        whole if whole % 1_000 == 0 => format!("{}s", whole / 1_000),
        whole => format!("{whole}ms"),
    }
}

fn split_number(text: &str) -> (&str, &str) {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, milliseconds: Option<u64>| {
            let parsed = parse_duration(text).ok();
            assert_eq!(parsed, milliseconds.map(Duration::from_millis), "{text:?}");
        };
        check("25s", Some(25_000));
        check("1m30s", Some(90_000));
        check("500ms", Some(500));
        check("24h", Some(86_400_000));
        for bad in ["", "0s", "25", "s", "-1s", "25 s", "1.5s", "25h", "18446744073709551615h"] {
            check(bad, None);
        }
        assert_eq!(format_duration(Duration::from_secs(90)), "90s");
        assert_eq!(format_duration(Duration::from_mins(6)), "6m");
    }

    #[test]
    fn sizes() {
        let check = |text: &str, bytes: Option<u64>| {
            assert_eq!(text.parse().ok().map(ByteSize::bytes), bytes, "{text:?}");
        };
        check("32Mi", Some(32 << 20));
        check("500Ki", Some(500 << 10));
        check("1Gi", Some(1 << 30));
        check("1k", Some(1000));
        check("16M", Some(16_000_000));
        check("2G", Some(2_000_000_000));
        check("1048576", Some(1 << 20));
        for bad in ["", "0", "0Mi", "Mi", "-1", "1.5Mi", "99999999999Gi", "1 Mi", "1mi", "1e6"] {
            check(bad, None);
        }
        for ambiguous in ["16MB", "32MiB", "1kB", "1KB", "1GB", "100B", "1K", "B"] {
            check(ambiguous, None);
        }
        assert_eq!(ByteSize::mebibytes(16).to_string(), "16Mi");
        assert_eq!(ByteSize(1500).to_string(), "1500");
    }

    #[test]
    fn ports() {
        for bad in ["", "0", "65536", "+80", "80a", " 80"] {
            assert!(bad.parse::<Port>().is_err(), "{bad:?}");
        }
        assert_eq!("8081".parse::<Port>().map(Port::get), Ok(8081));
    }
}
