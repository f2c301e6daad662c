//! Which parts of a refused batch are still to be sent. Pure.
//!
//! A plan hands out parts and is told what became of them. A part that is refused
//! is divided ([`super::search`]), one that is too large is cut ([`super::cut`]), until single
//! records are left. Whatever is undecided when an attempt ends is planned again
//! in the next one.
//!
//! Records of one series form a unit: parts are sent at the same time, and a
//! series' samples must arrive in order. Within a unit, one part at a time is
//! handed out, from the first record to the last.
//!
//! Some units are kept back as witnesses: they are handed out when it is doubtful
//! whether anything is accepted still, and at the end. They have to be sent anyway, so
//! nothing is stored twice to find that out.
//!
//! A record that was refused by itself is handed out once more, after something else
//! was accepted.

mod order;
mod part;
mod settle;
mod witness;

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
};

use tokio::time::Instant;

pub(super) use self::part::{Class, Limit, Part, Settled, Verdict};
use self::part::{Scope, Untried};

/// The records of one series that are undecided, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) records: Vec<usize>,
    /// Their size, in bytes.
    pub(super) bytes: usize,
}

/// The parts that are still to be sent.
#[derive(Debug)]
pub(super) struct Plan {
    units: Vec<Unit>,
    untried: Vec<Untried>,
    chains: Vec<Chain>,
    /// Units that are kept back.
    witnesses: Range<usize>,
    /// What a piece holds at most, in bytes before compression.
    max_bytes: usize,
    /// How many parts were handed out.
    handed_out: usize,
    /// How many of the doomed are being sent by themselves.
    testing: usize,
    /// The last eight verdicts on parts of several units: a bit is set for a
    /// refusal.
    recent: u8,
}

/// The parts that a plan leaves, by their first records.
pub(super) type Edges = BTreeMap<usize, Edge>;

/// What begins with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// A part of which nothing is known.
    Unknown,
    /// A part that is known to be refused.
    Bad,
    /// The rest after the part before it.
    Rest,
}

/// While so many parts wait, a refused one is halved, and its second half is sent
/// only after the first: that takes more time and fewer requests.
const PLENTY: usize = 8;

/// A unit that is refused as a whole.
#[derive(Debug)]
struct Chain {
    unit: usize,
    waiting: VecDeque<Waiting>,
    /// One part of it is being sent.
    busy: bool,
}

/// Records of a chain.
#[derive(Debug)]
struct Waiting {
    records: Vec<usize>,
    /// They are sent once something was accepted that was sent since then.
    after: Option<Instant>,
}

impl From<Vec<usize>> for Waiting {
    fn from(records: Vec<usize>) -> Self {
        Self { records, after: None }
    }
}

impl Plan {
    /// A plan for units of these classes, in pieces of at most `max_bytes` before
    /// compression. `known_bad` says that a batch with all ordinary units is known
    /// to be refused; `edges` are those of an earlier plan.
    pub(super) fn new(
        classes: impl IntoIterator<Item = (Class, Vec<Unit>)>,
        known_bad: bool,
        max_bytes: usize,
        edges: &Edges,
    ) -> Self {
        let mut plan = Self {
            units: Vec::new(),
            untried: Vec::new(),
            chains: Vec::new(),
            witnesses: 0..0,
            max_bytes,
            handed_out: 0,
            testing: 0,
            recent: 0,
        };
        for (class, mut units) in classes {
            let start = plan.units.len();
            plan.units.append(&mut units);
            if matches!(class, Class::Beyond(_)) {
                plan.push_untried(Untried::border(&(start..plan.units.len()), class, false));
                continue;
            }
            let known_bad = known_bad && edges.is_empty() && class == Class::Ordinary;
            let mut part = Untried::new(start..start, class, known_bad);
            for index in start..plan.units.len() {
                let first = plan.units.get(index).and_then(|unit| unit.records.first());
                match first.and_then(|first| edges.get(first)) {
                    Some(Edge::Rest) if part.known_bad && part.rest.is_empty() => {
                        part.rest = index..index + 1;
                    }
                    Some(edge) => {
                        let next = Untried::new(index..index + 1, class, *edge == Edge::Bad);
                        plan.push_untried(std::mem::replace(&mut part, next));
                    }
                    None if part.rest.is_empty() => part.range.end = index + 1,
                    None => part.rest.end = index + 1,
                }
            }
            plan.push_untried(part);
        }
        plan
    }

    /// Adds units of which a record was refused, at the time given, or halved.
    pub(super) fn add_refused(
        &mut self,
        units: Vec<Unit>,
        refused_at: impl Fn(usize) -> Option<Instant>,
        is_halved: impl Fn(usize) -> bool,
    ) {
        for unit in units {
            let mut waiting: VecDeque<Waiting> = VecDeque::new();
            for record in unit.records.iter().copied() {
                let after = refused_at(record);
                let is_alone = after.is_some() || is_halved(record);
                let goes_with = |last: &&mut Waiting| {
                    !is_alone
                        && last.after.is_none()
                        && !last.records.iter().any(|one| is_halved(*one))
                };
                match waiting.back_mut().filter(goes_with) {
                    Some(last) => last.records.push(record),
                    None => waiting.push_back(Waiting { records: vec![record], after }),
                }
            }
            self.chains.push(Chain { unit: self.units.len(), waiting, busy: false });
            self.units.push(unit);
        }
    }

    /// What is left, so that a plan for the same batch can continue with it.
    pub(super) fn edges(&self) -> Edges {
        let ranges = self.untried.iter().flat_map(|one| {
            // The two halves of what is refused are one part again.
            let is_bad = one.known_bad || !one.other.is_empty();
            let halved = (one.range.start, if is_bad { Edge::Bad } else { Edge::Unknown });
            let rest = (!one.rest.is_empty()).then_some((one.rest.start, Edge::Rest));
            [Some(halved), rest].into_iter().flatten()
        });
        let units = ranges.chain(self.chains.iter().map(|chain| (chain.unit, Edge::Unknown)));
        let first = |unit: usize| self.units.get(unit)?.records.first().copied();
        units.filter_map(|(unit, edge)| Some((first(unit)?, edge))).collect()
    }

    fn push(&mut self, range: Range<usize>, class: Class, known_bad: bool) {
        self.push_untried(Untried::new(range, class, known_bad));
    }

    fn push_untried(&mut self, untried: Untried) {
        if !untried.range.is_empty() {
            self.untried.push(untried);
        }
    }

    fn part(&self, untried: Untried) -> Part {
        Part { records: self.records(&untried.range).collect(), place: Scope::Units(untried) }
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

    /// Whether the same is expected of everything that is left.
    pub(super) fn is_all(&self, class: Class) -> bool {
        self.witnesses.is_empty()
            && !self.untried.is_empty()
            && self.untried.iter().all(|one| one.class == class)
    }

    pub(super) const fn has_untried(&self) -> bool {
        !self.untried.is_empty()
    }

    /// Whether nothing is left to be sent.
    pub(super) fn is_empty(&self) -> bool {
        self.untried.is_empty()
            && self.witnesses.is_empty()
            && self.chains.iter().all(|chain| chain.waiting.is_empty())
    }

    /// The records that no part was sent of since they were refused, or at all.
    pub(super) fn undecided(&self) -> Vec<usize> {
        let ranges = self.untried.iter().flat_map(|one| [&one.range, &one.other, &one.rest]);
        let ranges = ranges.flat_map(|range| self.records(range));
        let waiting = self.chains.iter().flat_map(|chain| &chain.waiting);
        let chains = waiting.flat_map(|waiting| waiting.records.iter().copied());
        ranges.chain(chains).chain(self.records(&self.witnesses)).collect()
    }
}

#[cfg(test)]
mod tests;
