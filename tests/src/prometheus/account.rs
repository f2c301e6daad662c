//! What Prometheus has and Azure lacks, or the other way round. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    azure::{Labels, Report, text},
    prometheus::Range,
};

/// Samples by series: times in milliseconds, and values as text.
pub type Samples = BTreeMap<Labels, BTreeSet<(i64, String)>>;

/// A time in which samples may be missing, for a reason that is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Whose Prometheus: the name of its identity.
    pub identity: &'static str,
    /// Milliseconds since 1970: after this…
    pub after: i64,
    /// … and up to this.
    pub until: i64,
}

/// How two sides differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Prometheus has them, Azure doesn't.
    pub missing: Vec<(Labels, i64)>,
    /// The same, but within a [`Loss`].
    pub excused: usize,
    /// Azure has them, Prometheus doesn't.
    pub invented: Vec<(Labels, i64)>,
}

/// What Prometheus has after `after`, as it sends it: with its external labels.
pub fn held(ranges: Vec<Range>, external: &Labels, after: i64) -> Samples {
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
pub fn arrived(report: &Report, after: i64) -> Samples {
    let mut samples = Samples::new();
    for series in &report.series {
        let within =
            series.samples.iter().filter(|(time, value)| *time > after && value != "stale");
        samples.entry(series.labels.clone()).or_default().extend(within.cloned());
    }
    samples
}

/// Compares both.
pub fn difference(held: &Samples, arrived: &Samples, losses: &[Loss]) -> Difference {
    let nothing = BTreeSet::new();
    let excused = |time: i64| losses.iter().any(|loss| time > loss.after && time <= loss.until);
    let mut difference = Difference::default();
    for (labels, expected) in held {
        let found = arrived.get(labels).unwrap_or(&nothing);
        for (time, _) in expected.difference(found) {
            if excused(*time) {
                difference.excused += 1;
            } else {
                difference.missing.push((labels.clone(), *time));
            }
        }
    }
    for (labels, found) in arrived {
        let expected = held.get(labels).unwrap_or(&nothing);
        let more = found.difference(expected).map(|(time, _)| (labels.clone(), *time));
        difference.invented.extend(more);
    }
    difference
}

/// How many samples.
pub fn count(samples: &Samples) -> usize {
    samples.values().map(BTreeSet::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::Reported;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// What Prometheus has of one series.
    fn ranges(samples: &[(i64, f64)]) -> Vec<Range> {
        vec![Range { labels: labels(&[("__name__", "up")]), samples: samples.to_vec() }]
    }

    /// What arrived of it.
    fn report(samples: &[(i64, &str)]) -> Report {
        let samples = samples.iter().map(|(time, value)| (*time, (*value).to_owned())).collect();
        let labels = labels(&[("__name__", "up"), ("cluster", "kind")]);
        Report { series: vec![Reported { labels, samples }], ..Report::default() }
    }

    /// How they differ after the time 10, but for losses from 20 up to 30.
    fn compare(had: &[(i64, f64)], came: &[(i64, &str)]) -> Difference {
        let held = held(ranges(had), &labels(&[("cluster", "kind")]), 10);
        let losses = [Loss { identity: "managed", after: 20, until: 30 }];
        difference(&held, &arrived(&report(came), 10), &losses)
    }

    #[test]
    fn both_sides_are_equal_whatever_came_twice_or_ended() {
        let had = [(10, 0.5), (11, 1.5), (12, f64::NAN), (13, f64::INFINITY)];
        let came = [(12, "NaN"), (11, "1.5"), (11, "1.5"), (13, "inf"), (14, "stale")];
        assert_eq!(compare(&had, &came), Difference::default());
    }

    #[test]
    fn missing_samples_are_found_unless_allowed() {
        let found = compare(&[(20, 1.0), (21, 1.0), (30, 1.0), (31, 1.0)], &[]);
        let times: Vec<_> = found.missing.iter().map(|(_, time)| *time).collect();
        assert_eq!((times, found.excused), (vec![20, 31], 2));
        assert!(found.invented.is_empty());
    }

    #[test]
    fn another_value_is_missing_and_invented() {
        let found = compare(&[(15, 1.0)], &[(15, "2")]);
        assert_eq!((found.missing.len(), found.invented.len()), (1, 1));
    }

    #[test]
    fn another_label_is_another_series() {
        let held = held(ranges(&[(15, 1.0)]), &labels(&[("cluster", "other")]), 10);
        let found = difference(&held, &arrived(&report(&[(15, "1")]), 10), &[]);
        assert_eq!((found.missing.len(), found.invented.len()), (1, 1));
    }
}
