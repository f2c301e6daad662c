//! What is undecided of a chunk, by what is expected of it.

use std::collections::{HashMap, HashSet};

use super::{
    super::{
        Reason,
        case::Case,
        ledger::{Fate, Hash},
        plan::{Class, Plan, Unit},
        search,
    },
    Opened, expected,
};
use crate::upstream::Failure;

/// The maximum number of witnesses, and that of series for each of them. Most searches send
/// one or two; one with 200 bad series side by side sends some thirty.
const WITNESSES: usize = 32;
const WITNESSES_OF: usize = 8;
/// One for the beginning of a search, and one for its end.
const MIN_WITNESSES: usize = 2;

impl Opened<'_> {
    /// Plans what is undecided. `known_bad` says that all of it together is refused.
    pub(in crate::rescue) fn plan(
        &mut self,
        case: &mut Case,
        known_bad: bool,
        max_bytes: usize,
    ) -> Result<Plan, Failure> {
        let mut undecided = Vec::new();
        let new_suspects = self.new_suspects;
        for record in 0..self.received {
            if self.chunk.is_cut_off(record) {
                self.decide(case, record, Fate::Refused(Reason::TooLarge));
            }
            match self.decision(record) {
                Some(decision) => case.any_refused |= decision != Fate::Stored,
                None => self.add_undecided(case, record, &mut undecided)?,
            }
        }
        // What was decided of divided ones in earlier attempts is not new.
        self.new_suspects = new_suspects;
        let mut classes = self.grouped(case, &undecided);
        let refused = classes.extract_if(.., |(class, _)| *class == Class::Refused);
        let refused: Vec<Unit> = refused.flat_map(|(_, units)| units).collect();
        // If all look bad, only age is a reason to expect that they are.
        let is_new = case.account.stored_samples == 0;
        for promising in [|class| class == Class::Suspect, |class| !expected::is_about_time(class)]
        {
            if is_new && !classes.iter().any(|(class, _)| *class == Class::Ordinary) {
                for (class, _) in classes.iter_mut().filter(|(class, _)| promising(*class)) {
                    *class = Class::Ordinary;
                }
            }
        }
        let known_bad = known_bad && !case.any_refused && classes.len() == 1 && refused.is_empty();
        self.sort_by_excess(&mut classes);
        self.take_tests(case, &mut classes);
        let witnesses = self.witnesses(case, &mut classes);
        let mut edges = std::mem::take(&mut case.edges);
        if std::mem::take(&mut self.new_suspects) {
            // Without them, all of the others may well be accepted.
            edges.clear();
        }
        let mut plan = Plan::new(classes, known_bad, max_bytes, &edges);
        let refused_at = |record| case.refusals.refused_alone(&self.hash(record)?);
        plan.add_refused(refused, refused_at, |record| self.is_halved(record));
        plan.keep_back(witnesses);
        Ok(plan)
    }

    /// Takes witnesses out of the series that look good: those that the last plan left or, if
    /// there are none, others, until each was chosen once. A keyed hash chooses them, so that
    /// the order of series in the batch does not.
    fn witnesses(&self, case: &mut Case, classes: &mut [(Class, Vec<Unit>)]) -> Vec<Unit> {
        // A batch that is too large is cut, and most often that is all.
        if case.is_cut {
            return Vec::new();
        }
        let ordinary = classes.iter_mut().find(|(class, _)| *class == Class::Ordinary);
        let Some((_, units)) = ordinary else { return Vec::new() };
        let first = |unit: &Unit| unit.records.first().copied().unwrap_or_default();
        if !units.iter().any(|unit| case.witnesses.contains(&first(unit))) {
            // Divided records have other numbers in the next attempt.
            let lasting = |record: &usize| *record < self.received && self.chunk.is_series(*record);
            let mut records: Vec<usize> = units.iter().map(first).filter(lasting).collect();
            let few = MIN_WITNESSES.min(units.len() / 2);
            let count = WITNESSES.min(units.len() / WITNESSES_OF).max(few);
            records.sort_unstable_by_key(|record| self.hashes.get(*record));
            self.sort_by_turn(&mut records);
            let first = case.witnesses_chosen.checked_rem(records.len()).unwrap_or_default();
            records.rotate_left(first);
            case.witnesses_chosen = first + count;
            case.witnesses = records.into_iter().take(count).collect();
        }
        units.extract_if(.., |unit| case.witnesses.contains(&first(unit))).collect()
    }

    /// Sorts them in turns: one of each metric, another one of each, and so on. So a metric of
    /// which most series are refused is tried no more often than the others.
    fn sort_by_turn(&self, records: &mut [usize]) {
        let mut turns: HashMap<Vec<u8>, u32> = HashMap::new();
        records.sort_by_cached_key(|record| {
            let labels = self.chunk.labels(*record).unwrap_or_default();
            let turn = turns.entry(search::metric(&labels).unwrap_or_default().to_vec());
            *turn.and_modify(|turn| *turn += 1).or_default()
        });
    }

    /// Appends a record, or those that it is divided into: it was before, or only some
    /// of its samples have a time that Azure takes.
    fn add_undecided(
        &mut self,
        case: &mut Case,
        record: usize,
        undecided: &mut Vec<usize>,
    ) -> Result<(), Failure> {
        let (start, end) = (*self.around.times.start(), *self.around.times.end());
        let hash = self.hash(record);
        let was_halved = hash.is_some_and(|hash| case.divided.contains(&hash));
        // In every attempt at the same time, although the border moves: what was stored
        // of a part must not be sent with another one.
        let split = hash.and_then(|hash| case.split.get(&hash).copied());
        let split = split.or(match self.chunk.samples(record).times {
            Some((first, last)) if first < start && last >= start => Some(start),
            Some((first, last)) if first <= end && last > end => Some(end.saturating_add(1)),
            _ => None,
        });
        let parts = match split {
            _ if was_halved => {
                let parts = self.halve(case, record)?;
                self.halved.extend(parts.iter().flatten());
                parts
            }
            Some(split) => {
                case.split.extend(hash.map(|hash| (hash, split)));
                self.divide(record, |_, time| time < split)?
            }
            None => None,
        };
        let Some(parts) = parts else {
            undecided.push(record);
            return Ok(());
        };
        for part in parts {
            if self.decision(part).is_none() {
                self.add_undecided(case, part, undecided)?;
            }
        }
        Ok(())
    }

    /// The undecided records as units, by what is expected of them.
    fn grouped(&self, case: &Case, undecided: &[usize]) -> Vec<(Class, Vec<Unit>)> {
        let about_age = search::is_about_age(&case.refusal.body);
        let named = search::named(&case.refusal.body);
        let mut classes: Vec<(Class, Vec<Unit>)> = Vec::new();
        let mut known: HashMap<(Class, Hash), usize> = HashMap::new();
        // All of a series waits for its first sample. What was halved is known to be refused.
        let refused: HashSet<Hash> = undecided
            .iter()
            .filter(|record| self.is_refused_once(case, **record) || self.is_halved(**record))
            .filter_map(|record| Some(self.hashes.get(*record)?.1))
            .collect();
        for record in undecided.iter().copied() {
            let Some((_, labels)) = self.hashes.get(record).copied() else { continue };
            let class = if refused.contains(&labels) {
                Class::Refused
            } else {
                self.class(record, about_age, &named)
            };
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
}
