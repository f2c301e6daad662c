//! Stored samples as JSON, exact to the bit.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::store::{Labels, Workspace};

/// The value that Prometheus writes where a series ends, which its own API
/// never shows.
///
/// `model/value/value.go`, `StaleNaN`.
pub const STALE: u64 = 0x7ff0_0000_0000_0002;

/// What lies behind a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Samples that came again, equal to the bit, at any time.
    pub duplicates: u64,
    /// Samples whose time came again with another value, at any time.
    pub conflicts: u64,
    /// Every series that has samples in the time that was asked for.
    pub series: Vec<Reported>,
}

/// One series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// Its labels.
    pub labels: Labels,
    /// Milliseconds since 1970 and the value, in the order of arrival: JSON has
    /// no infinities, so it is text, as Rust reads it, or `stale`.
    pub samples: Vec<(i64, String)>,
}

impl Report {
    /// All samples of a workspace between two times.
    pub fn of(workspace: &Workspace, times: RangeInclusive<i64>) -> Self {
        let series = workspace.series().filter_map(|(labels, series)| {
            let within = series.samples.iter().filter(|one| times.contains(&one.timestamp));
            let samples: Vec<_> = within.map(|one| (one.timestamp, text(one.value))).collect();
            (!samples.is_empty()).then(|| Reported { labels: labels.clone(), samples })
        });
        Self {
            duplicates: workspace.duplicates(),
            conflicts: workspace.conflicts(),
            series: series.collect(),
        }
    }
}

/// A value as text that tells all values apart which Prometheus tells apart.
pub fn text(value: f64) -> String {
    if value.to_bits() == STALE { "stale".to_owned() } else { value.to_string() }
}
