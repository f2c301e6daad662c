//! Metrics in Prometheus' text format, as far as our own programs write it and
//! something is made of them here.

use std::collections::BTreeMap;

/// The samples of one program, as they were scraped.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Name, labels as they are written, value.
    samples: Vec<(String, String, f64)>,
}

impl Figures {
    /// Reads a scrape; lines that are no samples are left out, and so are histograms,
    /// which are most of it.
    ///
    /// # Errors
    /// Where there are none of our programs: another one answers.
    pub fn parse(text: &str) -> Result<Self, String> {
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            Some((name.to_owned(), labels.to_owned(), value.parse().ok()?))
        };
        let is_read = |line: &&str| !line.starts_with('#') && !line.contains("_bucket{");
        let samples: Vec<_> = text.lines().filter(is_read).filter_map(sample).collect();
        let is_ours = samples.iter().any(|(name, ..)| name.starts_with("prom_remotewrite_"));
        is_ours
            .then_some(Self { samples })
            .ok_or_else(|| "no metrics of prom-remotewrite are there".to_owned())
    }

    /// Those of one destination, the unnamed one being the empty name, and those that are
    /// the program's as a whole.
    pub(super) fn of_destination(&self, name: &str) -> Self {
        let is_its = |labels: &str| label(labels, "destination=\"").is_none_or(|it| it == name);
        let samples = self.samples.iter().filter(|(_, labels, _)| is_its(labels));
        Self { samples: samples.cloned().collect() }
    }

    /// The sum over all labels; `None` if there is no such metric.
    pub(super) fn sum(&self, name: &str) -> Option<f64> {
        self.of(name).map(|(_, value)| value).reduce(|sum, value| sum + value)
    }

    /// A point in time in seconds since 1970; `None` where it is 0, which stands for
    /// never.
    pub(super) fn time(&self, name: &str) -> Option<i64> {
        let (_, seconds) = self.of(name).next()?;
        #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
        Some(seconds as i64).filter(|seconds| *seconds > 0)
    }

    /// What was counted for each value of the label `reason`, whatever the others, but
    /// for zeros.
    pub(super) fn by_reason(&self, name: &str) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for (labels, value) in self.of(name).filter(|(_, value)| *value > 0.0) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count of samples"
            )]
            let value = value as u64;
            let reason = label(labels, "reason=\"").unwrap_or_default();
            *counts.entry(reason.to_owned()).or_default() += value;
        }
        counts
    }

    fn of(&self, expected: &str) -> impl Iterator<Item = (&str, f64)> {
        let samples = self.samples.iter().filter(move |(name, ..)| name == expected);
        samples.map(|(_, labels, value)| (labels.as_str(), *value))
    }
}

/// The value of the label that begins so; it has no quotation marks in it.
fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    labels.split_once(name)?.1.split('"').next()
}
