//! What is undecided of a chunk, by what is expected of it.

use std::collections::{HashMap, HashSet};

use super::{
    super::{
        Reason,
        case::Case,
        ledger::{Decision, Hash},
        plan::{Class, Plan, Unit},
        search,
    },
    Opened, SUSPECT_AFTER,
};
use crate::upstream::Failure;

/// What is too old, by a refusal that speaks of age.
const OLD: Class = Class::Doomed(Reason::TooOld);

impl Opened<'_> {
    /// Plans what is undecided. `known_bad` says that all of it together is
    /// refused; `about_age` that the refusal speaks of age.
    pub(in crate::rescue) fn plan(
        &mut self,
        case: &mut Case,
        known_bad: bool,
        max_bytes: usize,
    ) -> Result<Plan, Failure> {
        let mut undecided = Vec::new();
        for record in 0..self.received {
            if self.chunk.is_cut_off(record) {
                self.decide(case, record, Decision::Refused(Reason::TooLarge));
            }
            match self.decision(record) {
                Some(decision) => case.any_refused |= decision != Decision::Stored,
                None => self.by_age(record, &mut undecided)?,
            }
        }
        let mut classes = self.grouped(case, &undecided);
        // Where all look guilty, looks say nothing; age does.
        for promising in [|class| class == Class::Suspect, |class| class != OLD] {
            if !classes.iter().any(|(class, _)| *class == Class::Ordinary) {
                for (class, _) in classes.iter_mut().filter(|(class, _)| promising(*class)) {
                    *class = Class::Ordinary;
                }
            }
        }
        let known_bad = known_bad && !case.any_refused && classes.len() == 1;
        let mut edges = std::mem::take(&mut case.edges);
        if std::mem::take(&mut self.new_suspects) {
            // Without them, all of the others may well be accepted.
            edges.clear();
        }
        Ok(Plan::new(classes, known_bad, max_bytes, &edges))
    }

    /// Appends a record, or those that it is divided into because only some of its
    /// samples have a time that Azure takes.
    fn by_age(&mut self, record: usize, undecided: &mut Vec<usize>) -> Result<(), Failure> {
        let (start, end) = (*self.around.times.start(), *self.around.times.end());
        let parts = match self.chunk.samples(record).times {
            Some((first, last)) if first < start && last >= start => {
                self.divide(record, |_, time| time < start)?
            }
            Some((first, last)) if first <= end && last > end => {
                self.divide(record, |_, time| time <= end)?
            }
            _ => None,
        };
        let Some(parts) = parts else {
            undecided.push(record);
            return Ok(());
        };
        for part in
            parts.into_iter().filter(|part| self.decision(*part).is_none()).collect::<Vec<_>>()
        {
            self.by_age(part, undecided)?;
        }
        Ok(())
    }

    /// The undecided records as units, by what is expected of them.
    fn grouped(&self, case: &Case, undecided: &[usize]) -> Vec<(Class, Vec<Unit>)> {
        let about_age = search::is_about_age(&case.refusal.body);
        let named = search::named(&case.refusal.body);
        let mut classes: Vec<(Class, Vec<Unit>)> = Vec::new();
        let mut known: HashMap<(Class, Hash), usize> = HashMap::new();
        for record in undecided.iter().copied() {
            let Some((_, labels)) = self.hashes.get(record).copied() else { continue };
            let class = self.class(record, about_age, &named);
            let index = classes.iter().position(|(found, _)| *found == class);
            let index = index.unwrap_or_else(|| {
                classes.push((class, Vec::new()));
                classes.len() - 1
            });
            let Some((_, units)) = classes.get_mut(index) else { continue };
            // All metadata is one unit: none of it is worth a search.
            let labels = if self.chunk.is_series(record) { labels } else { Hash::default() };
            let bytes = self.chunk.bytes(record).len();
            let unit = *known.entry((class, labels)).or_insert(units.len());
            match units.get_mut(unit) {
                Some(unit) => {
                    unit.records.push(record);
                    unit.bytes += bytes;
                }
                None => units.push(Unit { records: vec![record], bytes }),
            }
        }
        classes
    }

    fn class(&self, record: usize, about_age: bool, named: &HashSet<&[u8]>) -> Class {
        let Some(labels) = self.chunk.labels(record) else { return Class::Ordinary };
        if let Some(reason) = search::broken_limit(&labels) {
            return Class::Doomed(reason);
        }
        let in_time = self.chunk.samples(record).times.is_none_or(|(first, last)| {
            self.around.times.contains(&first) && self.around.times.contains(&last)
        });
        if !in_time {
            return if about_age { OLD } else { Class::Suspect };
        }
        let metric = search::metric(&labels).unwrap_or_default();
        let refused_before =
            matches!(self.counts.get(metric), Some((refused, 0)) if *refused >= SUSPECT_AFTER);
        let labels = self.hashes.get(record).map(|(_, labels)| labels);
        let expected = labels.map_or(Class::Ordinary, |labels| self.around.ledger.expected(labels));
        if expected == Class::Ordinary && (named.contains(metric) || refused_before) {
            return Class::Suspect;
        }
        expected
    }
}
