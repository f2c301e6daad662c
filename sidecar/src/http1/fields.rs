//! Header fields that both sides understand in the same way: where a message ends, and
//! when to retry.

use std::time::{Duration, SystemTime};

/// Where a message's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    Empty,
    /// After this many bytes.
    Length(u64),
    /// Where its chunks end.
    Chunked,
    /// Where the connection is closed; in responses only.
    UntilClose,
}

/// `Content-Length` and `Transfer-Encoding`, gathered while fields are read.
#[derive(Debug, Default)]
pub(super) struct Lengths {
    length: Option<u64>,
    chunked: bool,
    contradictory: bool,
}

impl Lengths {
    /// Takes notice of one field.
    pub(super) fn see(&mut self, name: &str, value: &[u8]) {
        if name.eq_ignore_ascii_case("content-length") {
            let length = parse_length(value);
            let repeats = self.length.is_none() || self.length == length;
            self.contradictory |= length.is_none() || !repeats;
            self.length = length;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            let known = value.trim_ascii().eq_ignore_ascii_case(b"chunked") && !self.chunked;
            self.contradictory |= !known;
            self.chunked = true;
        }
    }

    /// The framing; `None` where the fields contradict each other.
    pub(super) fn framing(&self) -> Option<Framing> {
        match (self.contradictory, self.chunked, self.length) {
            (true, ..) | (false, true, Some(_)) => None,
            (false, true, None) => Some(Framing::Chunked),
            (false, false, Some(0)) => Some(Framing::Empty),
            (false, false, Some(length)) => Some(Framing::Length(length)),
            (false, false, None) => Some(Framing::UntilClose),
        }
    }
}

/// Digits alone: no sign, no list, no blanks within.
fn parse_length(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value.trim_ascii()).ok()?;
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// The value of `Connection`, collected while fields are read.
#[derive(Debug, Default)]
pub(super) struct Persistence {
    close: bool,
    keep_alive: bool,
}

impl Persistence {
    /// Takes notice of one field.
    pub(super) fn see(&mut self, name: &str, value: &[u8]) {
        if name.eq_ignore_ascii_case("connection") {
            for item in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                self.close |= item.eq_ignore_ascii_case(b"close");
                self.keep_alive |= item.eq_ignore_ascii_case(b"keep-alive");
            }
        }
    }

    /// Whether the connection outlives the message: as the message requests, else the
    /// default of the version.
    pub(super) const fn keeps_alive(&self, version: u8) -> bool {
        !self.close && (self.keep_alive || version > 0)
    }
}

/// A `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3): 0 for one that has passed.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_767);
        for (value, expected) in [
            ("7", Some(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:17 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(value, now), expected.map(Duration::from_secs), "{value}");
        }
    }
}
