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
//!
//! Some units are kept back as witnesses: they are handed out when it is doubtful
//! whether anything is accepted still, and at the end. They have to be sent anyway, so
//! nothing is stored twice to find that out.
//!
//! A record that was refused by itself is handed out once more, after something else
//! was accepted.

mod settle;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    ops::Range,
};

use tokio::time::Instant;

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
    /// That it is refused as those that are doomed: if it is stored, these are sent by
    /// themselves as well.
    Test,
    /// That those of them are refused that exceed a limit by more than others which are.
    Beyond(Limit),
    /// A record of it was refused by itself: that is asked once more.
    Refused,
    /// That all of them are refused: each was, by itself, within the last minute. One
    /// refusal is enough for all.
    Doomed(Reason),
}

/// What is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Limit {
    Age,
    Future,
    /// One that Azure documents.
    Documented(Reason),
}

impl Limit {
    const fn reason(self) -> Reason {
        match self {
            Self::Age | Self::Future => Reason::TooOld,
            Self::Documented(reason) => reason,
        }
    }
}

/// Records to be sent as one piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) records: Vec<usize>,
    place: Place,
}

impl Part {
    /// Whether it exceeds a limit.
    pub(super) const fn is_beyond_limit(&self) -> bool {
        matches!(&self.place, Place::Units(Untried { class: Class::Beyond(_), .. }))
    }

    /// Whether a refusal of it gives up other records with it.
    pub(super) const fn stands_for_others(&self) -> bool {
        matches!(
            &self.place,
            Place::Units(Untried { class: Class::Beyond(_) | Class::Doomed(_), .. })
        )
    }

    /// Whether nothing that was left out of it is still to be sent.
    pub(super) fn is_all_there_is(&self) -> bool {
        match &self.place {
            Place::Units(Untried { other, rest, .. }) => other.is_empty() && rest.is_empty(),
            Place::Promising { witnesses, .. } => witnesses.is_empty(),
            Place::Within { .. } => true,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// These units, whole.
    Units(Untried),
    /// All of which the most is expected: these units, and the witnesses.
    Promising { range: Range<usize>, witnesses: Range<usize> },
    /// Some records of this unit, which waited for something to be accepted.
    Within { unit: usize, after: Option<Instant> },
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

/// Every fourth part is the smallest: single series are found early, and with them
/// what they have in common.
const SMALLEST_EVERY: usize = 4;

/// Units that are sent together, and what the answer will say of others.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Untried {
    range: Range<usize>,
    class: Class,
    /// It need not be sent to know that it is refused.
    known_bad: bool,
    /// The other half of a part that is refused: if this one is accepted, that one
    /// is refused.
    other: Range<usize>,
    /// What comes after these two: a bad unit was found before it, so nothing is known of
    /// it. It is sent as one once the search before it has ended.
    rest: Range<usize>,
    /// The unit before it is refused: if this one is as well, so is the rest.
    after_refused: bool,
}

impl Untried {
    const fn new(range: Range<usize>, class: Class, known_bad: bool) -> Self {
        Self { range, class, known_bad, other: 0..0, rest: 0..0, after_refused: false }
    }

    /// The first of units that exceed a limit, from the one that does so the least.
    const fn border(range: &Range<usize>, class: Class, after_refused: bool) -> Self {
        let end = if range.start < range.end { range.start + 1 } else { range.end };
        let (first, rest) = (range.start..end, end..range.end);
        Self { rest, after_refused, ..Self::new(first, class, false) }
    }
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

    /// Adds units of which a record was refused, at the time given.
    pub(super) fn add_refused(
        &mut self,
        units: Vec<Unit>,
        refused_at: impl Fn(usize) -> Option<Instant>,
    ) {
        for unit in units {
            let mut waiting: VecDeque<Waiting> = VecDeque::new();
            for record in unit.records.iter().copied() {
                let after = refused_at(record);
                match waiting.back_mut().filter(|last| last.after.is_none() && after.is_none()) {
                    Some(last) => last.records.push(record),
                    None => waiting.push_back(Waiting { records: vec![record], after }),
                }
            }
            self.chains.push(Chain { unit: self.units.len(), waiting, busy: false });
            self.units.push(unit);
        }
    }

    /// Keeps ordinary units back.
    pub(super) fn keep_back(&mut self, mut witnesses: Vec<Unit>) {
        let begin = self.units.len();
        self.units.append(&mut witnesses);
        self.witnesses = begin..self.units.len();
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

    /// The next part to be sent: what was refused before something was accepted that was
    /// sent at `accepted_at`; then mostly the largest of those of which the most is
    /// expected, since the more of a batch is stored, the less can go wrong. `None`
    /// while there is none, or none that may be sent before others are settled.
    pub(super) fn next(&mut self, accepted_at: Option<Instant>) -> Option<Part> {
        if let Some(part) = self.next_of_chains(|waiting| {
            waiting.after.is_some_and(|refused_at| accepted_at >= Some(refused_at))
        }) {
            return Some(part);
        }
        self.handed_out += 1;
        let smallest = self.recent == u8::MAX || self.handed_out.is_multiple_of(SMALLEST_EVERY);
        loop {
            let key = |one: &Untried| {
                let bytes = self.bytes(&one.range);
                (Reverse(one.class), if smallest { usize::MAX - bytes } else { bytes })
            };
            let found =
                (0..self.untried.len()).max_by_key(|index| self.untried.get(*index).map(key));
            let next_of_chains =
                |plan: &mut Self| plan.next_of_chains(|waiting| waiting.after.is_none());
            let Some(index) = found else { return next_of_chains(self) };
            let is_doomed = |one: &Untried| matches!(one.class, Class::Doomed(_));
            if self.testing > 0 && self.untried.get(index).is_some_and(is_doomed) {
                return next_of_chains(self);
            }
            let untried = self.untried.swap_remove(index);
            let Untried { range, class, known_bad, .. } = untried.clone();
            if known_bad && range.len() > 1 {
                self.divide(&range, class, untried.rest);
                continue;
            }
            let fitting = cut::leading(self.units.get(range.clone())?, self.max_bytes);
            let middle = range.start + fitting;
            if middle == range.end {
                self.testing += usize::from(class == Class::Test);
                return Some(self.part(untried));
            }
            for left in [middle..range.end, untried.other, untried.rest] {
                self.push(left, class, false);
            }
            return Some(self.part(Untried::new(range.start..middle, class, false)));
        }
    }

    fn next_of_chains(&mut self, may_be_sent: impl Fn(&Waiting) -> bool) -> Option<Part> {
        self.chains.retain(|chain| chain.busy || !chain.waiting.is_empty());
        let may_be_sent =
            |chain: &&mut Chain| !chain.busy && chain.waiting.front().is_some_and(&may_be_sent);
        let chain = self.chains.iter_mut().find(may_be_sent)?;
        let Waiting { records, after } = chain.waiting.pop_front()?;
        chain.busy = true;
        Some(Part { records, place: Place::Within { unit: chain.unit, after } })
    }

    /// What was refused and is still to be sent once more, if that is one record alone and
    /// nothing else is left.
    pub(super) fn only_refused(&mut self) -> Option<Part> {
        let waiting: Vec<_> = self.chains.iter().flat_map(|chain| &chain.waiting).collect();
        let is_alone = matches!(waiting[..], [Waiting { records, .. }] if records.len() == 1);
        if !is_alone || !self.untried.is_empty() || !self.witnesses.is_empty() {
            return None;
        }
        self.next_of_chains(|_| true)
    }

    /// One of the units that were kept back.
    pub(super) fn witness(&mut self) -> Option<Part> {
        let unit = self.witnesses.next()?;
        Some(self.part(Untried::new(unit..unit + 1, Class::Ordinary, false)))
    }

    /// All that is kept back, when nothing else is left. Where that is refused, one half of
    /// it is kept back again.
    pub(super) fn all_witnesses(&mut self) -> Option<Part> {
        let all = std::mem::replace(&mut self.witnesses, 0..0);
        if self.bytes(&all) > self.max_bytes {
            self.push(all.clone(), Class::Ordinary, false);
            return None;
        }
        let middle = all.start + all.len().div_ceil(2);
        let place = Place::Promising { range: all.start..middle, witnesses: middle..all.end };
        (!all.is_empty()).then(|| Part { records: self.records(&all).collect(), place })
    }

    /// The first records of what is kept back.
    pub(super) fn kept_back(&self) -> impl Iterator<Item = usize> {
        let units = self.units.get(self.witnesses.clone()).unwrap_or_default();
        units.iter().filter_map(|unit| unit.records.first().copied())
    }

    /// Everything that looks good, if something else does not. The witnesses go with it
    /// where all else is as good as refused.
    pub(super) fn promising(&mut self) -> Option<Part> {
        let ordinary = |one: &Untried| one.class == Class::Ordinary;
        let index = self.untried.iter().position(ordinary)?;
        let all_doomed = |one: &Untried| one.class != Class::Suspect;
        let is_one = self.untried.iter().filter(|one| ordinary(one)).count() == 1;
        let bytes = |plan: &Self, one: &Untried| {
            plan.bytes(&one.range).saturating_add(plan.bytes(&plan.witnesses))
        };
        let fits = self.untried.get(index).is_some_and(|one| bytes(self, one) <= self.max_bytes);
        if !(is_one && fits && self.untried.iter().all(all_doomed)) {
            return self.next(None);
        }
        let Untried { range, .. } = self.untried.swap_remove(index);
        let witnesses = std::mem::replace(&mut self.witnesses, 0..0);
        let records = self.records(&range).chain(self.records(&witnesses)).collect();
        Some(Part { records, place: Place::Promising { range, witnesses } })
    }

    /// A single unit of the most promising, chosen by a `number`: to find out whether
    /// anything is accepted at all.
    pub(super) fn probe(&mut self, number: u64) -> Option<Part> {
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

    fn part(&self, untried: Untried) -> Part {
        Part { records: self.records(&untried.range).collect(), place: Place::Units(untried) }
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
