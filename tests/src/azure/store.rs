//! Everything that was written, kept for questions.

use std::collections::{BTreeMap, HashMap};

use super::wire::{Exemplar, Histogram, MetricMetadata, Sample};

/// A series' labels by name; `__name__` among them.
pub type Labels = BTreeMap<String, String>;

/// One request's content, whichever version of remote write it came in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Series with what was sent for each.
    pub series: Vec<(Labels, Sent)>,
    /// What metrics mean.
    pub metadata: Vec<MetricMetadata>,
}

/// What was sent for one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sent {
    /// Floats.
    pub samples: Vec<Sample>,
    /// Native histograms.
    pub histograms: Vec<Histogram>,
    /// Exemplars.
    pub exemplars: Vec<Exemplar>,
}

impl Batch {
    /// How many floats, histograms and exemplars it has.
    pub fn counts(&self) -> (usize, usize, usize) {
        self.series.iter().fold((0, 0, 0), |(samples, histograms, exemplars), (_, sent)| {
            (
                samples + sent.samples.len(),
                histograms + sent.histograms.len(),
                exemplars + sent.exemplars.len(),
            )
        })
    }
}

/// What lies behind one data collection rule.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    series: BTreeMap<Labels, Series>,
    metadata: BTreeMap<String, MetricMetadata>,
    /// Requests that were stored.
    pub requests: u64,
    /// Requests by the client id in their token.
    pub writers: BTreeMap<String, u64>,
    /// Requests by the audience of their token.
    pub audiences: BTreeMap<String, u64>,
}

/// One series, in the order of arrival.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Floats; every copy, if one came twice.
    pub samples: Vec<Sample>,
    /// Native histograms; every copy.
    pub histograms: Vec<Histogram>,
    /// Exemplars; every copy.
    pub exemplars: Vec<Exemplar>,
    /// The bits of the value first seen for a time.
    seen: HashMap<i64, u64>,
    /// Samples that had come before, equal to the bit.
    pub duplicates: u64,
    /// Samples whose time had come before with another value.
    pub conflicts: u64,
}

impl Series {
    /// The sample with the latest time.
    pub fn newest(&self) -> Option<Sample> {
        self.samples.iter().max_by_key(|sample| sample.timestamp).copied()
    }

    fn add(&mut self, sent: Sent) {
        for sample in &sent.samples {
            let bits = sample.value.to_bits();
            match self.seen.insert(sample.timestamp, bits) {
                None => {}
                Some(before) if before == bits => self.duplicates += 1,
                Some(_) => self.conflicts += 1,
            }
        }
        self.samples.extend(sent.samples);
        self.histograms.extend(sent.histograms);
        self.exemplars.extend(sent.exemplars);
    }
}

impl Workspace {
    /// Keeps a batch that `writer` sent with a token for `audience`.
    pub(super) fn add(&mut self, batch: Batch, writer: &str, audience: &str) {
        self.requests += 1;
        *self.writers.entry(writer.to_owned()).or_default() += 1;
        *self.audiences.entry(audience.to_owned()).or_default() += 1;
        for (labels, sent) in batch.series {
            self.series.entry(labels).or_default().add(sent);
        }
        for entry in batch.metadata {
            self.metadata.insert(entry.metric_family_name.clone(), entry);
        }
    }

    /// Every series with its labels.
    pub fn series(&self) -> impl Iterator<Item = (&Labels, &Series)> {
        self.series.iter()
    }

    /// The series that have all of these labels.
    pub fn find<'a>(
        &'a self,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = (&'a Labels, &'a Series)> {
        self.series.iter().filter(|(have, _)| {
            labels.iter().all(|(name, value)| have.get(*name).is_some_and(|have| have == value))
        })
    }

    /// What a metric means.
    pub fn metadata(&self, metric: &str) -> Option<&MetricMetadata> {
        self.metadata.get(metric)
    }

    /// How many series.
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// How many samples, each counted once.
    pub fn sample_count(&self) -> u64 {
        self.series.values().map(|series| series.seen.len() as u64).sum()
    }

    /// Samples that came again, equal to the bit.
    pub fn duplicates(&self) -> u64 {
        self.series.values().map(|series| series.duplicates).sum()
    }

    /// Samples whose time came again with another value.
    pub fn conflicts(&self) -> u64 {
        self.series.values().map(|series| series.conflicts).sum()
    }
}
