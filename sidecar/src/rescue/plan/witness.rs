//! Parts that are sent to find out whether anything is accepted.

use std::cmp::Reverse;

use super::{Class, Part, Plan, Scope, Unit, Untried};

impl Plan {
    /// Keeps ordinary units back.
    pub(in crate::rescue) fn keep_back(&mut self, mut witnesses: Vec<Unit>) {
        let begin = self.units.len();
        self.units.append(&mut witnesses);
        self.witnesses = begin..self.units.len();
    }

    /// One of the units that were kept back.
    pub(in crate::rescue) fn witness(&mut self) -> Option<Part> {
        let unit = self.witnesses.next()?;
        Some(self.part(Untried::new(unit..unit + 1, Class::Ordinary, false)))
    }

    /// The next part of a unit that was refused as a whole.
    pub(in crate::rescue) fn part_of_refused(&mut self) -> Option<Part> {
        self.next_of_chains(|waiting| waiting.after.is_none())
    }

    /// Whether a refused record waits for an acceptance, to be sent again.
    pub(in crate::rescue) fn waits_for_acceptance(&self) -> bool {
        self.chains.iter().flat_map(|chain| &chain.waiting).any(|waiting| waiting.after.is_some())
    }

    /// All witnesses, when nothing else is left. If they are refused, one half of them is kept
    /// back again.
    pub(in crate::rescue) fn all_witnesses(&mut self) -> Option<Part> {
        let all = std::mem::replace(&mut self.witnesses, 0..0);
        if self.bytes(&all) > self.max_bytes {
            self.push(all.clone(), Class::Ordinary, false);
            return None;
        }
        let middle = all.start + all.len().div_ceil(2);
        let place = Scope::Promising { range: all.start..middle, witnesses: middle..all.end };
        (!all.is_empty()).then(|| Part { records: self.records(&all).collect(), place })
    }

    /// The first record of each witness.
    pub(in crate::rescue) fn kept_back(&self) -> impl Iterator<Item = usize> {
        let units = self.units.get(self.witnesses.clone()).unwrap_or_default();
        units.iter().filter_map(|unit| unit.records.first().copied())
    }

    /// Everything that looks good, if something else does not; with the witnesses, if
    /// everything else is almost certainly bad.
    pub(in crate::rescue) fn promising(&mut self) -> Option<Part> {
        let ordinary = |one: &Untried| one.class == Class::Ordinary;
        let index = self.untried.iter().position(ordinary)?;
        let all_doomed = |one: &Untried| one.class != Class::Suspect;
        let is_one = self.untried.iter().filter(|one| ordinary(one)).count() == 1;
        let bytes = |plan: &Self, one: &Untried| {
            plan.bytes(&one.range).saturating_add(plan.bytes(&plan.witnesses))
        };
        let fits = self.untried.get(index).is_some_and(|one| bytes(self, one) <= self.max_bytes);
        if !(is_one && fits && self.untried.iter().all(all_doomed)) {
            return self.next(None, |_| false);
        }
        let Untried { range, .. } = self.untried.swap_remove(index);
        let witnesses = std::mem::replace(&mut self.witnesses, 0..0);
        let records = self.records(&range).chain(self.records(&witnesses)).collect();
        Some(Part { records, place: Scope::Promising { range, witnesses } })
    }

    /// One of the units that look best, chosen by a `number`.
    pub(in crate::rescue) fn probe(&mut self, number: u64) -> Option<Part> {
        let key = |one: &Untried| (Reverse(one.class), one.range.len());
        let index =
            (0..self.untried.len()).max_by_key(|index| self.untried.get(*index).map(key))?;
        let Untried { range, class, known_bad, other, rest, .. } = self.untried.swap_remove(index);
        let offset = usize::try_from(number % range.len() as u64).unwrap_or_default();
        let unit = range.start + offset;
        self.push(range.start..unit, class, known_bad);
        self.push(unit + 1..range.end, class, known_bad);
        self.push(other, class, false);
        self.push(rest, class, false);
        Some(self.part(Untried::new(unit..unit + 1, class, false)))
    }
}
