//! What one side has and the other lacks. Pure.

use std::collections::{BTreeMap, BTreeSet};

use tests::{
    azure::{Labels, Report, text},
    prometheus::Range,
};

/// Samples by series: times in milliseconds, and values as text.
pub(crate) type Samples = BTreeMap<Labels, BTreeSet<(i64, String)>>;

/// A time in which samples may be missing, for a reason that is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    /// Whose Prometheus: the name of its identity.
    pub(crate) identity: &'static str,
    /// Milliseconds since 1970: after this…
    pub(crate) after: i64,
    /// … and up to this.
    pub(crate) until: i64,
}

/// How two sides differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Prometheus has them, Azure doesn't.
    pub(crate) missing: Vec<(Labels, i64)>,
    /// The same, but within a [`Loss`].
    pub(crate) excused: usize,
    /// Azure has them, Prometheus doesn't.
    pub(crate) invented: Vec<(Labels, i64)>,
}

/// What Prometheus has after `after`, as it sends it: with its external labels.
pub(crate) fn held(ranges: Vec<Range>, external: &Labels, after: i64) -> Samples {
    let mut samples = Samples::new();
    for Range { mut labels, samples: of_one } in ranges {
        for (name, value) in external {
            labels.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let within = of_one.into_iter().filter(|(time, _)| *time > after);
        samples.entry(labels).or_default().extend(within.map(|(time, value)| (time, text(value))));
    }
    samples
}

/// What arrived after `after`, without the marks at the end of a series, which
/// Prometheus' own API never shows.
pub(crate) fn arrived(report: &Report, after: i64) -> Samples {
    let mut samples = Samples::new();
    for series in &report.series {
        let within =
            series.samples.iter().filter(|(time, value)| *time > after && value != "stale");
        samples.entry(series.labels.clone()).or_default().extend(within.cloned());
    }
    samples
}

/// Compares both.
pub(crate) fn difference(held: &Samples, arrived: &Samples, losses: &[Loss]) -> Difference {
    let nothing = BTreeSet::new();
    let excused = |time: i64| losses.iter().any(|loss| time > loss.after && time <= loss.until);
    let mut difference = Difference::default();
    for (labels, wanted) in held {
        let found = arrived.get(labels).unwrap_or(&nothing);
        for (time, _) in wanted.difference(found) {
            if excused(*time) {
                difference.excused += 1;
            } else {
                difference.missing.push((labels.clone(), *time));
            }
        }
    }
    for (labels, found) in arrived {
        let wanted = held.get(labels).unwrap_or(&nothing);
        let more = found.difference(wanted).map(|(time, _)| (labels.clone(), *time));
        difference.invented.extend(more);
    }
    difference
}

/// How many samples.
pub(crate) fn count(samples: &Samples) -> usize {
    samples.values().map(BTreeSet::len).sum()
}
