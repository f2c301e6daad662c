//! How soon a step that failed is tried again, and how much the watcher writes.

use std::time::Duration;

use super::Error;

/// Somebody else wrote first and has finished.
const AFTER_CONFLICT: Duration = Duration::from_millis(100);
/// The longest pause between two tries of a step that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The longest after a conflict: another watcher makes the same repair, one write after
/// the other, and may be killed in the middle of it.
const LONGEST_AFTER_CONFLICT: Duration = Duration::from_secs(1);
/// A repair is some five writes, so a watcher that meets another one at each of them
/// has not fallen behind.
const SOON: u32 = 5;
/// With more writes in [`BURST_TIME`], somebody else writes against us, and we slow
/// down to as many as that.
const BURST: u32 = 30;
const BURST_TIME: Duration = Duration::from_mins(1);

/// The pause after `error`, which `failures` others came before.
pub(super) fn pause_after(error: &Error, failures: u32) -> Duration {
    if error.is_conflict() {
        return if failures < SOON { AFTER_CONFLICT } else { LONGEST_AFTER_CONFLICT };
    }
    (AFTER_CONFLICT * 2_u32.saturating_pow(failures)).min(LONGEST_PAUSE)
}

/// Slows down when too much is written.
#[derive(Default)]
pub(super) struct Pace(Vec<Duration>);

impl Pace {
    /// The pause after a write at `uptime`.
    pub(super) fn pause(&mut self, uptime: Duration) -> Duration {
        self.0.retain(|written| uptime.saturating_sub(*written) < BURST_TIME);
        self.0.push(uptime);
        let is_much = self.0.len() > BURST as usize;
        if is_much { BURST_TIME / BURST } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::cluster, *};

    fn pauses(error: impl Fn() -> cluster::Error) -> Vec<u128> {
        (0..9).map(|failures| pause_after(&error().into(), failures).as_millis()).collect()
    }

    #[test]
    fn a_conflict_is_no_outage() {
        let conflict = || cluster::Error::Conflict("Secret".to_owned());
        assert_eq!(pauses(conflict), [100, 100, 100, 100, 100, 1000, 1000, 1000, 1000]);
        let slow = || cluster::Error::Slow { verb: "read", object: "Secret".to_owned() };
        assert_eq!(pauses(slow), [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    /// Somebody undoes each write at once, for ten minutes.
    #[test]
    fn a_fight_is_slow_and_a_repair_in_it_is_not() {
        let (mut pace, mut now) = (Pace::default(), Duration::ZERO);
        let mut written = Vec::new();
        while now < 10 * BURST_TIME {
            written.push(now);
            let pause = pace.pause(now);
            assert!(pause <= Duration::from_secs(2), "{pause:?} at {now:?}");
            now += pause + Duration::from_millis(10);
        }
        for start in &written {
            let minute = *start..*start + BURST_TIME;
            let writes = written.iter().filter(|time| minute.contains(*time)).count();
            assert!(writes <= 2 * BURST as usize, "{writes} in a minute from {start:?}");
        }
    }
}
