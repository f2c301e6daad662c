//! When the next fetch is due. Pure.

use std::time::Duration;

use crate::backoff::{around, at_least, doubling};

/// Between two fetches that went well, whatever a token's lifetime.
const MIN_PAUSE: Duration = Duration::from_millis(200);
/// IMDS answers with a token that it keeps; asking again sooner than this would
/// bring the same one.
const MIN_PAUSE_AGAIN: Duration = Duration::from_mins(1);
/// A token that expires soon: when this share of its remaining lifetime has passed, the
/// next one is requested at the latest, so that it arrives before the expiry.
const LAST_ASKED: f64 = 0.8;
/// Between forced fetches at least: a refused token may be refused for another reason,
/// and an identity service that is asked by every request throttles.
const MIN_PAUSE_FORCED: Duration = Duration::from_secs(10);
/// After a token that had expired when it arrived: a clock is wrong, and asking faster
/// does not fix it.
const PAUSE_EXPIRED: Duration = Duration::from_secs(10);
/// After a first failure.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// After many, on average: a fix by an operator is noticed within this and its half.
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// A service that asks for a longer pause is asked again after this: Azure refuses
/// samples that are older than 20 minutes.
pub(super) const MAX_ASKED: Duration = Duration::from_mins(5);

/// How long to wait after a token was fetched that has `left` to live: half of
/// it, with jitter, so that a fleet does not ask at once. How long the one before
/// it would have lived is of no concern: a new token may end earlier.
///
/// `again` is whether it is the one that was held before; `chance` is drawn
/// evenly from 0 to 1.
pub(super) fn after_success(left: Duration, again: bool, chance: f64) -> Duration {
    if left.is_zero() {
        return around(PAUSE_EXPIRED, chance);
    }
    let half = left.mul_f64(0.4 + 0.2 * chance);
    let least = if again { MIN_PAUSE_AGAIN.min(last_asked(left, chance)) } else { MIN_PAUSE };
    half.max(least).max(MIN_PAUSE)
}

/// How long no other fetch is forced after a forced one: sidecars whose tokens are refused
/// together do not ask together. IMDS serves five requests a second.
pub(super) fn after_forced(chance: f64) -> Duration {
    at_least(MIN_PAUSE_FORCED, chance)
}

/// The latest time for the next request while a token has `left` to live; a node's
/// sidecars hold the same one, so not the same time for all.
fn last_asked(left: Duration, chance: f64) -> Duration {
    left.mul_f64(LAST_ASKED * (0.75 + 0.25 * chance))
}

/// How long to wait after the `failures`th failure in a row (from 1): doubling
/// with jitter, but at least what the service asks for, with jitter on top; yet while a
/// held token has `left` to live, not up to its end.
///
/// IMDS asks for exponential backoff on 404, 429 and 5xx and says that a 410
/// may last 70 s: <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#retry-guidance>
pub(super) fn after_failure(
    failures: u32,
    asked: Option<Duration>,
    left: Duration,
    chance: f64,
) -> Duration {
    let asked = at_least(asked.unwrap_or_default().min(MAX_ASKED), chance);
    let pause = doubling(failures, FIRST_BACKOFF, MAX_BACKOFF, chance).max(asked);
    if left.is_zero() { pause } else { pause.min(last_asked(left, chance)).max(MIN_PAUSE) }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn tokens_are_refreshed_around_half_of_their_life() {
        for chance in [0.0, 0.5, 1.0] {
            let pause = after_success(seconds(3600), false, chance);
            assert!((seconds(1440)..=seconds(2160)).contains(&pause), "{pause:?}");
        }
        assert_eq!(after_success(seconds(20), false, 0.5), seconds(10));
        assert_eq!(after_success(seconds(3), false, 0.5), Duration::from_millis(1500));
        assert_eq!(after_success(Duration::from_millis(1), false, 0.5), MIN_PAUSE);
        assert_eq!(after_success(seconds(0), false, 0.5), PAUSE_EXPIRED);
    }

    #[test]
    fn the_same_token_again_waits_a_minute_but_never_up_to_its_end() {
        assert_eq!(after_success(seconds(3600), true, 0.5), seconds(1800));
        assert_eq!(after_success(seconds(90), true, 0.5), seconds(60));
        assert_eq!(after_success(seconds(20), true, 1.0), seconds(16));
        assert_eq!(after_success(seconds(20), true, 0.0), seconds(12));
        for left in 1..200 {
            for chance in [0.0, 1.0] {
                let pause = after_success(seconds(left), true, chance);
                assert!(pause <= seconds(left).mul_f64(0.8), "{left}: {pause:?}");
            }
        }
    }

    #[test]
    fn failures_back_off_and_heed_the_service() {
        let pauses: Vec<u64> =
            (1..=7).map(|n| after_failure(n, None, seconds(0), 0.5).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(after_failure(u32::MAX, None, seconds(0), 1.0), seconds(45));
        for (asked, left, least, most) in [
            (20, 0, 20, 40),
            (120, 0, 120, 150),
            (120, 3600, 120, 150),
            (9999, 3600, 300, 330),
            (120, 60, 36, 48),
        ] {
            for (chance, pause) in [(0.0, least), (1.0, most)] {
                let found = after_failure(1, Some(seconds(asked)), seconds(left), chance);
                assert_eq!(found, seconds(pause), "{asked} {left} {chance}");
            }
        }
        // Without a word from the service as well: samples wait for no longer than they must.
        for asked in [None, Some(seconds(120))] {
            let found = after_failure(9, asked, seconds(10), 1.0);
            assert_eq!(found, seconds(8), "{asked:?}");
        }
        assert_eq!(after_failure(9, None, Duration::from_millis(1), 0.5), MIN_PAUSE);
    }

    /// What a service sees that grants five tokens a second and answers 429 else.
    struct Seen {
        /// Requests in the busiest second after the first.
        peak: u64,
        /// When the last sidecar had its token.
        last: Duration,
    }

    /// Sidecars that start at once, in virtual time.
    fn herd(count: usize, asked: Option<Duration>) -> Seen {
        // Even and the same on each run: multiples of the golden ratio, less their whole part.
        let mut chances = (1_u32..).map(|number| (f64::from(number) * 0.618_033_988_749).fract());
        let mut due: BTreeSet<(Duration, usize, u32)> =
            (0..count).map(|one| (Duration::ZERO, one, 0)).collect();
        let (mut seen, mut last) = (BTreeMap::<u64, u64>::new(), Duration::ZERO);
        while let Some((now, one, failures)) = due.pop_first() {
            let requests = seen.entry(now.as_secs()).or_default();
            *requests += 1;
            if *requests <= 5 {
                last = now;
                continue;
            }
            let chance = chances.next().unwrap();
            let pause = after_failure(failures + 1, asked, Duration::ZERO, chance);
            due.insert((now + pause, one, failures + 1));
        }
        let peak = seen.range(1..).map(|(_, requests)| *requests).max().unwrap_or_default();
        Seen { peak, last }
    }

    #[test]
    fn sidecars_that_are_refused_together_return_apart() {
        for (count, asked, peak, last) in
            [(50, 5, 14, 30), (100, 5, 26, 45), (50, 30, 6, 90), (50, 0, 40, 25), (100, 0, 80, 50)]
        {
            let seen = herd(count, (asked > 0).then(|| seconds(asked)));
            assert!(seen.peak <= peak, "{count} {asked}: {} in a second", seen.peak);
            assert!(seen.last <= seconds(last), "{count} {asked}: {:?}", seen.last);
        }
    }
}
