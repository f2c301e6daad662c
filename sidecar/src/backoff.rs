//! Pauses between attempts, with jitter: sidecars that are refused together do not
//! return together.
//!
//! `chance` is drawn evenly from 0 to 1, by [`chance`].

use std::time::Duration;

use aws_lc_rs::rand;

/// Sidecars that have to wait equally long return within this time after it, because a
/// single sidecar waits in vain.
const MAX_SPREAD: Duration = Duration::from_secs(30);

/// `pause` on average, and between its half and its half more.
pub(crate) fn around(pause: Duration, chance: f64) -> Duration {
    pause.mul_f64(0.5 + chance)
}

/// `pause` at least, and up to as long again or [`MAX_SPREAD`] later.
pub(crate) fn at_least(pause: Duration, chance: f64) -> Duration {
    pause + pause.min(MAX_SPREAD).mul_f64(chance)
}

/// After the `failures`th failure in a row (from 1): on average `first`, doubled with each
/// failure up to `most`.
pub(crate) fn doubling(failures: u32, first: Duration, most: Duration, chance: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    around((first * 2_u32.pow(doublings)).min(most), chance)
}

/// Evenly from 0 to 1.
pub(crate) fn chance() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness everyone waits the same, which is not a reason to fail.
    let _ = rand::fill(&mut bytes);
    f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn pauses_are_spread_within_their_bounds() {
        for (chance, round, least) in [(0.0, 5, 10), (0.5, 10, 15), (1.0, 15, 20)] {
            assert_eq!(around(seconds(10), chance), seconds(round), "{chance}");
            assert_eq!(at_least(seconds(10), chance), seconds(least), "{chance}");
        }
        assert_eq!(at_least(seconds(300), 1.0), seconds(330), "no more than 30 s");
    }

    #[test]
    fn failures_double_the_pause_up_to_the_most() {
        let pause = |failures| doubling(failures, seconds(1), seconds(30), 0.5).as_secs();
        assert_eq!([1, 2, 3, 4, 5, 6, u32::MAX].map(pause), [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(doubling(u32::MAX, seconds(1), seconds(30), 1.0), seconds(45));
    }

    #[test]
    fn chances_differ_and_are_from_0_to_1() {
        let drawn: Vec<f64> = (0..100).map(|_| chance()).collect();
        assert!(drawn.iter().all(|chance| (0.0..=1.0).contains(chance)));
        let above = drawn.iter().filter(|chance| **chance > 0.5).count();
        assert!((10..=90).contains(&above), "{above} of 100 above the half");
    }
}
