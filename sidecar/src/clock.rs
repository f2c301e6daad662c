//! Spans of time as people say them, and our clock beside a server's. Pure.

use std::time::{Duration, SystemTime};

/// Entra forgives a difference of five minutes.
const FORGIVEN_SKEW: Duration = Duration::from_mins(5);

/// A span in its largest unit of which there are two or more.
pub(crate) fn span(time: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match time.as_secs() {
        0..2 => format!("{} ms", time.as_millis()),
        seconds @ 2..120 => format!("{seconds} s"),
        seconds if seconds < 2 * HOUR => format!("{} min", seconds / MINUTE),
        seconds if seconds < 2 * DAY => format!("{} hours", seconds / HOUR),
        seconds => format!("{} days", seconds / DAY),
    }
}

/// When something ends or has ended, seen from `now`.
pub(crate) fn end(at: SystemTime, now: SystemTime) -> String {
    match at.duration_since(now) {
        Ok(left) => format!("expires in {}", span(left)),
        Err(past) => format!("expired {} ago", span(past.duration())),
    }
}

/// How far our clock is from the server's that sent this `Date`, and in which direction.
pub(crate) fn difference(date: &str, now: SystemTime) -> Option<(Duration, &'static str)> {
    let theirs = httpdate::parse_http_date(date).ok()?;
    Some(match now.duration_since(theirs) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    })
}

/// A difference that explains a refusal, of a token or of samples for their time.
pub(crate) fn skew(date: &str, now: SystemTime) -> Option<String> {
    let (difference, direction) = difference(date, now)?;
    (difference > FORGIVEN_SKEW).then(|| {
        let difference = span(difference);
        format!(
            "this node's clock is {difference} {direction} the one of the server that answered: set it (NTP)"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_far_off_is_named() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let theirs = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (now, expected) in [
            (theirs, None),
            (theirs + FORGIVEN_SKEW, None),
            (theirs + Duration::from_hours(1), Some("is 60 min ahead of the one of the server")),
            (theirs - Duration::from_hours(3), Some("is 3 hours behind the one of the server")),
        ] {
            let found = skew(date, now);
            assert_eq!(found.is_some(), expected.is_some(), "{found:?}");
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()));
        }
        assert_eq!(skew("soon", theirs), None);
    }

    #[test]
    fn formats_in_the_largest_unit() {
        for (seconds, text) in [
            (0, "0 ms"),
            (1, "1000 ms"),
            (2, "2 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7199, "119 min"),
            (7200, "2 hours"),
            (172_799, "47 hours"),
            (90 * 86_400, "90 days"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        assert_eq!(end(now + Duration::from_secs(60), now), "expires in 60 s");
        assert_eq!(end(SystemTime::UNIX_EPOCH, now), "expired 100 s ago");
    }
}
