//! What is expected of a record, by what it looks like and by what was refused lately.

use std::collections::HashSet;

use super::{
    super::{
        case::Case,
        ledger::Hash,
        plan::{Class, Limit, Unit},
        search,
    },
    Opened,
};

/// So many of the series that were refused lately are sent by themselves with every
/// batch, in turn: one that has healed spares the others.
const TESTS: usize = 4;

/// Whether what is expected of a record is due to the times of its samples.
pub(super) const fn is_about_time(class: Class) -> bool {
    matches!(class, Class::Beyond(Limit::Age | Limit::Future))
}

impl Opened<'_> {
    pub(super) fn class(&self, record: usize, about_age: bool, named: &HashSet<&[u8]>) -> Class {
        let Some(labels) = self.chunk.labels(record) else { return Class::Ordinary };
        if let Some(reason) = search::broken_limit(&labels) {
            return Class::Beyond(Limit::Documented(reason));
        }
        match self.times(record) {
            (false, false) => {}
            (true, false) if about_age => return Class::Beyond(Limit::Age),
            (false, true) if about_age => return Class::Beyond(Limit::Future),
            _ => return Class::Suspect,
        }
        let metric = search::metric(&labels).unwrap_or_default();
        let refused_before = self.counts.get(metric).is_some_and(|count| count.is_suspect());
        let labels = self.hashes.get(record).map(|(_, labels)| labels);
        let expected = labels.map_or(Class::Ordinary, |labels| self.around.ledger.expected(labels));
        if expected == Class::Ordinary && (named.contains(metric) || refused_before) {
            return Class::Suspect;
        }
        expected
    }

    /// Whether a record's samples are older, or further ahead, than Azure is known to take.
    fn times(&self, record: usize) -> (bool, bool) {
        let times = self.chunk.samples(record).times;
        let old = times.is_some_and(|(first, _)| first < *self.around.times.start());
        let future = times.is_some_and(|(_, last)| last > *self.around.times.end());
        (old, future)
    }

    pub(in crate::rescue) fn is_out_of_time(&self, record: usize) -> bool {
        self.times(record) != (false, false)
    }

    /// Sorts what exceeds a limit: what does so the least comes first.
    pub(super) fn sort_by_excess(&self, classes: &mut [(Class, Vec<Unit>)]) {
        for (class, units) in classes {
            if let Class::Beyond(limit) = *class {
                let first = |unit: &Unit| unit.records.first().copied().unwrap_or_default();
                units.sort_by_cached_key(|unit| self.excess(first(unit), limit));
            }
        }
    }

    /// By how much a record exceeds a limit; more is worse.
    fn excess(&self, record: usize, limit: Limit) -> i64 {
        let times = self.chunk.samples(record).times.unwrap_or_default();
        match limit {
            // By the oldest of its samples, for which all of it is refused.
            Limit::Age => times.0.saturating_neg(),
            Limit::Future => times.1,
            Limit::Documented(reason) => {
                let labels = self.chunk.labels(record).unwrap_or_default();
                i64::try_from(search::size(&labels, reason)).unwrap_or(i64::MAX)
            }
        }
    }

    /// Takes some of those that were refused lately, to be sent by themselves: those of
    /// which that is the longest ago. Once one was stored, all are.
    pub(super) fn take_tests(&self, case: &mut Case, classes: &mut Vec<(Class, Vec<Unit>)>) {
        let ledger = self.around.ledger;
        let labels =
            |unit: &Unit| self.hashes.get(*unit.records.first()?).map(|(_, labels)| *labels);
        let is_doomed = |class: Class| matches!(class, Class::Doomed(_));
        if case.tests.is_empty() {
            let doomed = classes.iter().filter(|(class, _)| is_doomed(*class));
            let mut doomed: Vec<Hash> =
                doomed.flat_map(|(_, units)| units).filter_map(labels).collect();
            doomed.sort_by_cached_key(|labels| ledger.refused_at(labels));
            case.tests = doomed.into_iter().take(TESTS).collect();
        }
        let any_healed = case.tests.iter().any(|labels| ledger.refused_at(labels).is_none());
        let mut tests = Vec::new();
        for (class, units) in classes.iter_mut().filter(|(class, _)| is_doomed(*class)) {
            if any_healed {
                *class = Class::Suspect;
                continue;
            }
            let is_test = |unit: &mut Unit| labels(unit).is_some_and(|it| case.tests.contains(&it));
            tests.extend(units.extract_if(.., is_test));
        }
        classes.extend(tests.into_iter().map(|unit| (Class::Test, vec![unit])));
    }
}
