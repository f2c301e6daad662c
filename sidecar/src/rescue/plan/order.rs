//! The order in which parts are sent.

use std::cmp::Reverse;

use tokio::time::Instant;

use super::{super::cut, Chain, Class, Part, Plan, Scope, Untried, Waiting};

/// Every fourth part is the smallest: so single bad series are found early, and with them
/// what they have in common.
const SMALLEST_EVERY: usize = 4;

impl Plan {
    /// The next part: first a record that was refused before `accepted_at`, when the last
    /// accepted request was sent, unless it `waits` (other records may decide about it); then
    /// usually the largest of the parts that look best, because stored records are safe.
    /// `None` if there is none, or none that may be sent before others are settled.
    pub(in crate::rescue) fn next(
        &mut self,
        accepted_at: Option<Instant>,
        waits: impl Fn(usize) -> bool,
    ) -> Option<Part> {
        let is_next = |waiting: &Waiting| {
            waiting.after.is_some_and(|refused_at| accepted_at >= Some(refused_at))
        };
        let waits = |waiting: &Waiting| waiting.records.iter().copied().all(&waits);
        if let Some(part) = self.next_of_chains(|waiting| is_next(waiting) && !waits(waiting)) {
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
                |plan: &mut Self| plan.part_of_refused().or_else(|| plan.next_of_chains(is_next));
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

    pub(super) fn next_of_chains(
        &mut self,
        may_be_sent: impl Fn(&Waiting) -> bool,
    ) -> Option<Part> {
        self.chains.retain(|chain| chain.busy || !chain.waiting.is_empty());
        let may_be_sent =
            |chain: &&mut Chain| !chain.busy && chain.waiting.front().is_some_and(&may_be_sent);
        let chain = self.chains.iter_mut().find(may_be_sent)?;
        let Waiting { records, after } = chain.waiting.pop_front()?;
        chain.busy = true;
        Some(Part { records, place: Scope::Within { unit: chain.unit, after } })
    }

    /// A refused record that has to be sent again, if it `is_meant`.
    pub(in crate::rescue) fn refused_once(
        &mut self,
        is_meant: impl Fn(usize) -> bool,
    ) -> Option<Part> {
        self.next_of_chains(|waiting| {
            waiting.after.is_some() && waiting.records.iter().copied().all(&is_meant)
        })
    }

    /// The refused record that has to be sent again, if it is the only one and nothing else is
    /// left.
    pub(in crate::rescue) fn only_refused(&mut self) -> Option<Part> {
        let waiting: Vec<_> = self.chains.iter().flat_map(|chain| &chain.waiting).collect();
        let is_alone = matches!(waiting[..], [Waiting { records, .. }] if records.len() == 1);
        if !is_alone || !self.untried.is_empty() || !self.witnesses.is_empty() {
            return None;
        }
        self.next_of_chains(|_| true)
    }
}
