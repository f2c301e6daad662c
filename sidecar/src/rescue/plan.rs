//! Which parts of a refused batch are still to be sent. Pure.
//!
//! A plan hands out parts and is told what became of them. A part that is refused
//! is divided ([`super::search`]), one that is too large is cut ([`cut`]), until single
//! records are left. Whatever is undecided when an attempt ends is planned again
//! in the next one.
//!
//! Records of one series form a unit: parts are sent at the same time, and a
//! series' samples must arrive in order. Within a unit, one part at a time is
//! handed out, from the first record to the last.

mod settle;

use std::{
    cmp::Reverse,
    collections::{BTreeSet, VecDeque},
    ops::Range,
};

use super::{Reason, cut};

/// The records of one series that are undecided, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) records: Vec<usize>,
    /// Their size, in bytes.
    pub(super) bytes: usize,
}

/// What is expected of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Class {
    /// Nothing in particular.
    Ordinary,
    /// That many of them are refused: they are kept apart from the others.
    Suspect,
    /// That all of them are refused, for a reason that Azure documents: one
    /// refusal is enough for all.
    Doomed(Reason),
}

/// Records to be sent as one piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) records: Vec<usize>,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// These units, whole, and those that are refused unless these are.
    Units { range: Range<usize>, class: Class, other: Range<usize> },
    /// Some records of this unit.
    Within { unit: usize },
}

/// What becomes of the records of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Stored,
    /// Refused for at least one of them.
    Refused,
    TooLarge,
    /// Not known.
    Untried,
}

/// What a verdict means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// Smaller parts will follow, or the same one.
    Open,
    /// All records are stored.
    Stored(Vec<usize>),
    /// All records are refused.
    Refused(Vec<usize>, Reason),
    /// One record is refused: it is to be divided, or to be given up.
    Single { record: usize, unit: usize },
}

/// The parts that are still to be sent.
#[derive(Debug)]
pub(super) struct Plan {
    units: Vec<Unit>,
    untried: Vec<Untried>,
    chains: Vec<Chain>,
    /// What a piece holds at most, in bytes before compression.
    max_bytes: usize,
    /// How many parts were handed out.
    handed_out: usize,
    /// The last eight verdicts on parts of several units: a bit is set for a
    /// refusal.
    recent: u8,
}

/// Every fourth part is the smallest: single series are found early, and with them
/// what they have in common.
const SMALLEST_EVERY: usize = 4;

#[derive(Debug)]
struct Untried {
    range: Range<usize>,
    class: Class,
    /// It need not be sent to know that it is refused.
    known_bad: bool,
    /// The other half of a part that is refused: if this one is accepted, that one
    /// is refused.
    other: Range<usize>,
}

/// While so many parts wait, a refused one is halved, and its second half is sent
/// only after the first: that takes more time and fewer requests.
const PLENTY: usize = 8;

/// A unit that is refused as a whole.
#[derive(Debug)]
struct Chain {
    unit: usize,
    waiting: VecDeque<Vec<usize>>,
    /// One part of it is being sent.
    busy: bool,
}

impl Plan {
    /// A plan for units of these classes, in pieces of at most `max_bytes` before
    /// compression. `known_bad` says that a batch with all ordinary units is known
    /// to be refused; `edges` are those of an earlier plan.
    pub(super) fn new(
        classes: impl IntoIterator<Item = (Class, Vec<Unit>)>,
        known_bad: bool,
        max_bytes: usize,
        edges: &BTreeSet<usize>,
    ) -> Self {
        let mut plan = Self {
            units: Vec::new(),
            untried: Vec::new(),
            chains: Vec::new(),
            max_bytes,
            handed_out: 0,
            recent: 0,
        };
        for (class, mut units) in classes {
            let begin = plan.units.len();
            plan.units.append(&mut units);
            let mut start = begin;
            for index in begin + 1..plan.units.len() {
                let unit = plan.units.get(index).and_then(|unit| unit.records.first());
                if unit.is_some_and(|record| edges.contains(record)) {
                    plan.push(start..index, class, false);
                    start = index;
                }
            }
            let range = start..plan.units.len();
            plan.push(range, class, known_bad && start == begin && class == Class::Ordinary);
        }
        plan
    }

    /// The first records of the parts that are left, so that a plan for the same
    /// batch can continue with them.
    pub(super) fn edges(&self) -> BTreeSet<usize> {
        let ranges = self.untried.iter().flat_map(|one| [one.range.start, one.other.start]);
        let units = ranges.chain(self.chains.iter().map(|chain| chain.unit));
        units.filter_map(|unit| self.units.get(unit)?.records.first().copied()).collect()
    }

    fn push(&mut self, range: Range<usize>, class: Class, known_bad: bool) {
        if !range.is_empty() {
            self.untried.push(Untried { range, class, known_bad, other: 0..0 });
        }
    }

    /// The next part to be sent: mostly the largest of those of which the most is
    /// expected, since the more of a batch is stored, the less can go wrong. `None`
    /// while there is none, or none that may be sent before others are settled.
    pub(super) fn next(&mut self) -> Option<Part> {
        self.handed_out += 1;
        let smallest = self.handed_out.is_multiple_of(SMALLEST_EVERY);
        loop {
            let key = |one: &Untried| {
                let bytes = self.bytes(&one.range);
                (Reverse(one.class), if smallest { usize::MAX - bytes } else { bytes })
            };
            let found =
                (0..self.untried.len()).max_by_key(|index| self.untried.get(*index).map(key));
            let Some(index) = found else { return self.next_of_chains() };
            let Untried { range, class, known_bad, other } = self.untried.swap_remove(index);
            if known_bad && range.len() > 1 {
                self.divide(&range, class);
                continue;
            }
            let fitting = cut::leading(self.units.get(range.clone())?, self.max_bytes);
            let middle = range.start + fitting;
            if middle == range.end {
                return Some(self.part(range, class, other));
            }
            self.push(middle..range.end, class, false);
            self.push(other, class, false);
            return Some(self.part(range.start..middle, class, 0..0));
        }
    }

    fn next_of_chains(&mut self) -> Option<Part> {
        self.chains.retain(|chain| chain.busy || !chain.waiting.is_empty());
        let chain = self.chains.iter_mut().find(|chain| !chain.busy)?;
        let records = chain.waiting.pop_front()?;
        chain.busy = true;
        Some(Part { records, place: Place::Within { unit: chain.unit } })
    }

    /// A single unit of the most promising, chosen by a `number`: to find out whether
    /// anything is accepted at all.
    pub(super) fn probe(&mut self, number: u64) -> Option<Part> {
        let key = |one: &Untried| (Reverse(one.class), one.range.len());
        let index =
            (0..self.untried.len()).max_by_key(|index| self.untried.get(*index).map(key))?;
        let Untried { range, class, known_bad, other } = self.untried.swap_remove(index);
        let offset = usize::try_from(number % range.len() as u64).unwrap_or_default();
        let unit = range.start + offset;
        self.push(range.start..unit, class, known_bad);
        self.push(unit + 1..range.end, class, known_bad);
        self.push(other, class, false);
        Some(self.part(unit..unit + 1, class, 0..0))
    }

    fn part(&self, range: Range<usize>, class: Class, other: Range<usize>) -> Part {
        Part {
            records: self.records(&range).collect(),
            place: Place::Units { range, class, other },
        }
    }

    fn records(&self, range: &Range<usize>) -> impl Iterator<Item = usize> {
        let units = self.units.get(range.clone()).unwrap_or_default();
        units.iter().flat_map(|unit| unit.records.iter().copied())
    }

    fn bytes(&self, range: &Range<usize>) -> usize {
        self.units.get(range.clone()).unwrap_or_default().iter().map(|unit| unit.bytes).sum()
    }

    /// Whether some units are kept apart from the others.
    pub(super) fn is_sorted_out(&self) -> bool {
        let is_ordinary = |one: &Untried| one.class == Class::Ordinary;
        self.untried.iter().any(is_ordinary) && !self.untried.iter().all(is_ordinary)
    }

    /// Whether no part is left to be sent.
    pub(super) fn is_empty(&self) -> bool {
        self.untried.is_empty() && self.chains.iter().all(|chain| chain.waiting.is_empty())
    }

    /// The records that no part was sent of since they were refused, or at all.
    pub(super) fn undecided(&self) -> Vec<usize> {
        let ranges = self.untried.iter().flat_map(|one| [&one.range, &one.other]);
        let ranges = ranges.flat_map(|range| self.records(range));
        let chains = self.chains.iter().flat_map(|chain| chain.waiting.iter().flatten().copied());
        ranges.chain(chains).collect()
    }
}

#[cfg(test)]
mod tests;
