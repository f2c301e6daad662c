//! How long answers took.

use std::time::Duration;

/// Every answer's time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn push(&mut self, took: Duration) {
        self.0.push(took);
    }

    pub(crate) fn append(&mut self, mut more: Self) {
        self.0.append(&mut more.0);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The times below which lie so many per mille of all; zero without any.
    pub(crate) fn per_mille<const N: usize>(mut self, expected: [usize; N]) -> [Duration; N] {
        self.0.sort_unstable();
        expected.map(|expected| {
            // The nearest rank.
            let rank = (self.0.len() * expected).div_ceil(1000).saturating_sub(1);
            self.0.get(rank).copied().unwrap_or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks() {
        let mut latencies = Latencies::default();
        for millis in (1..=1000).rev() {
            latencies.push(Duration::from_millis(millis));
        }
        let found = latencies.per_mille([500, 990, 999, 1000]);
        assert_eq!(found, [500, 990, 999, 1000].map(Duration::from_millis));
        assert_eq!(Latencies::default().per_mille([500]), [Duration::ZERO]);
    }
}
