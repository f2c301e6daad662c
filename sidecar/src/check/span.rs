//! Spans of time, as people say them.

use std::time::{Duration, SystemTime};

/// A span in its largest unit of which there are two or more.
pub(super) fn span(time: Duration) -> String {
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
pub(super) fn end(at: SystemTime, now: SystemTime) -> String {
    match at.duration_since(now) {
        Ok(left) => format!("expires in {}", span(left)),
        Err(past) => format!("expired {} ago", span(past.duration())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
