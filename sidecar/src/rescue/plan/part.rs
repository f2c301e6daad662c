//! What a plan hands out, and what comes back.

use std::ops::Range;

use tokio::time::Instant;

use super::super::Reason;

/// What is expected of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::rescue) enum Class {
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
pub(in crate::rescue) enum Limit {
    Age,
    Future,
    /// One that Azure documents.
    Documented(Reason),
}

impl Limit {
    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::Age | Self::Future => Reason::TooOld,
            Self::Documented(reason) => reason,
        }
    }
}

/// Records to be sent as one piece.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::rescue) struct Part {
    pub(in crate::rescue) records: Vec<usize>,
    pub(super) place: Scope,
}

impl Part {
    /// Whether it exceeds a limit.
    pub(in crate::rescue) const fn is_beyond_limit(&self) -> bool {
        matches!(&self.place, Scope::Units(Untried { class: Class::Beyond(_), .. }))
    }

    /// Whether a refusal of it gives up other records with it.
    pub(in crate::rescue) const fn stands_for_others(&self) -> bool {
        matches!(
            &self.place,
            Scope::Units(Untried { class: Class::Beyond(_) | Class::Doomed(_), .. })
        )
    }

    /// The same part, of which a refusal gives up nothing else.
    pub(in crate::rescue) fn standing_for_itself(mut self) -> Self {
        if self.stands_for_others()
            && let Scope::Units(untried) = &mut self.place
        {
            (untried.class, untried.after_refused) = (Class::Suspect, false);
        }
        self
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// These units, whole.
    Units(Untried),
    /// All of which the most is expected: these units, and the witnesses.
    Promising { range: Range<usize>, witnesses: Range<usize> },
    /// Some records of this unit, which waited for something to be accepted.
    Within { unit: usize, after: Option<Instant> },
}

/// What becomes of the records of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rescue) enum Verdict {
    Stored,
    /// Refused for at least one of them.
    Refused,
    TooLarge,
    /// Not known.
    Untried,
}

/// What a verdict means.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::rescue) enum Settled {
    /// Smaller parts will follow, or the same one.
    Open,
    /// All records are stored.
    Stored(Vec<usize>),
    /// All records are refused.
    Refused(Vec<usize>, Reason),
    /// One record is refused: it is to be divided, or to be given up.
    Single { record: usize, unit: usize },
}

/// Units that are sent together, and what the answer will say of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Untried {
    pub(super) range: Range<usize>,
    pub(super) class: Class,
    /// It need not be sent to know that it is refused.
    pub(super) known_bad: bool,
    /// The other half of a part that is refused: if this one is accepted, that one
    /// is refused.
    pub(super) other: Range<usize>,
    /// What comes after these two: a bad unit was found before it, so nothing is known of
    /// it. It is sent as one once the search before it has ended.
    pub(super) rest: Range<usize>,
    /// The unit before it is refused: if this one is as well, so is the rest.
    pub(super) after_refused: bool,
}

impl Untried {
    pub(super) const fn new(range: Range<usize>, class: Class, known_bad: bool) -> Self {
        Self { range, class, known_bad, other: 0..0, rest: 0..0, after_refused: false }
    }

    /// The first of units that exceed a limit, from the one that does so the least.
    pub(super) const fn border(range: &Range<usize>, class: Class, after_refused: bool) -> Self {
        let end = if range.start < range.end { range.start + 1 } else { range.end };
        let (first, rest) = (range.start..end, end..range.end);
        Self { rest, after_refused, ..Self::new(first, class, false) }
    }
}
