//! What became of a batch's parts, and the one answer for the whole.

use std::collections::BTreeMap;

use super::{REASONS, batch::Batch};
use crate::{
    metrics::{Metrics, Reason},
    upstream::Received,
};

/// Counts of what was saved and refused.
#[derive(Debug, Default)]
pub(super) struct Tally {
    saved_samples: u64,
    /// By reason.
    refused_samples: BTreeMap<&'static str, u64>,
    refused_series: usize,
    /// Names of the first refused series, with their reasons.
    examples: Vec<String>,
    /// The last piece that was accepted.
    accepted: Option<Received>,
    /// Sums of the header fields that say what was written.
    written: BTreeMap<String, u64>,
}

/// So many refused series are named in one log line.
const MAX_EXAMPLES: usize = 3;
/// The header fields in which a receiver of 2.0 says what it wrote.
const WRITTEN_SUFFIX: &str = "-written";

impl Tally {
    pub(super) fn has_refused(&self) -> bool {
        self.refused_series > 0
    }

    /// Series that were accepted, with `received`.
    pub(super) fn save(&mut self, batch: &Batch<'_>, indexes: &[usize], received: &Received) {
        self.saved_samples += samples(batch, indexes);
        for (name, value) in &received.fields {
            if let (true, Ok(count)) = (name.ends_with(WRITTEN_SUFFIX), value.parse::<u64>()) {
                *self.written.entry(name.clone()).or_default() += count;
            }
        }
        self.accepted = Some(received.clone());
    }

    /// A series that is to blame.
    pub(super) fn refuse(&mut self, batch: &Batch<'_>, index: usize, reason: &'static str) {
        self.refused_series += 1;
        *self.refused_samples.entry(reason).or_default() += samples(batch, &[index]);
        if self.examples.len() < MAX_EXAMPLES {
            let name = batch.series(index).map_or_else(|| "metadata".to_owned(), |one| one.name());
            self.examples.push(format!("{name} ({reason})"));
        }
    }

    /// Series that were not tried any more.
    pub(super) fn give_up(&mut self, batch: &Batch<'_>, indexes: &[usize]) {
        self.refused_series += indexes.len();
        *self.refused_samples.entry("not_tried").or_default() += samples(batch, indexes);
    }

    /// The answer for the whole: what was refused goes before what was accepted.
    pub(super) fn answer(&self, refused: &Received) -> Received {
        let written = self.written.iter().map(|(name, sum)| (name.clone(), sum.to_string()));
        let whole = self.accepted.as_ref().filter(|_| !self.has_refused()).unwrap_or(refused);
        let others = whole.fields.iter().filter(|(name, _)| !name.ends_with(WRITTEN_SUFFIX));
        let fields = others.cloned().chain(written).collect();
        Received { fields, ..whole.clone() }
    }

    pub(super) fn count(&self, metrics: &Metrics) {
        metrics.rescued_samples.inc_by(self.saved_samples);
        for (reason, samples) in &self.refused_samples {
            debug_assert!(REASONS.contains(reason), "{reason} is not among those that begin at 0");
            metrics.refused_samples.get_or_create(&Reason { reason }).inc_by(*samples);
        }
    }

    pub(super) fn describe(&self) -> String {
        let more = self.refused_series.saturating_sub(self.examples.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!(
            "Azure refuses {} series of a batch, {} samples of the others were saved: {}{more}",
            self.refused_series,
            self.saved_samples,
            self.examples.join(", ")
        )
    }
}

fn samples(batch: &Batch<'_>, indexes: &[usize]) -> u64 {
    indexes.iter().filter_map(|index| batch.series(*index)).map(|one| one.samples as u64).sum()
}
