//! What becomes of a plan when a part is answered.

use std::{collections::VecDeque, ops::Range};

use tokio::time::Instant;

use super::{
    super::{cut, search},
    Chain, Class, PLENTY, Part, Plan, Scope, Settled, Untried, Verdict, Waiting,
};

/// What comes after a part: the other half, and the rest.
const fn beyond(other: &Range<usize>, rest: &Range<usize>) -> Range<usize> {
    if other.start == other.end {
        return rest.start..rest.end;
    }
    other.start..if rest.end > other.end { rest.end } else { other.end }
}

impl Plan {
    /// Notes what became of a part.
    pub(in crate::rescue) fn settle(&mut self, part: Part, verdict: Verdict) -> Settled {
        match part.place {
            Scope::Units(untried) => self.settle_units(part.records, untried, verdict),
            Scope::Promising { range, witnesses } => {
                if verdict == Verdict::Stored {
                    return Settled::Stored(part.records);
                }
                // Where nearly all of it is refused, that is not sent once more.
                let known_bad = verdict != Verdict::Untried && range.len() > witnesses.len() + 1;
                self.witnesses = witnesses;
                self.push(range, Class::Ordinary, known_bad);
                Settled::Open
            }
            Scope::Within { unit, after } => self.settle_within(part.records, unit, after, verdict),
        }
    }

    fn settle_units(&mut self, records: Vec<usize>, untried: Untried, verdict: Verdict) -> Settled {
        let Untried { range, class, other, rest, after_refused, .. } = untried;
        if class == Class::Test {
            self.testing = self.testing.saturating_sub(1);
        }
        if range.len() > 1 && matches!(verdict, Verdict::Stored | Verdict::Refused) {
            self.recent = self.recent << 1 | u8::from(verdict == Verdict::Refused);
        }
        match (verdict, class) {
            (Verdict::Stored, _) => {
                if class == Class::Test {
                    self.spare_doomed();
                }
                // Then the other half is refused.
                self.divide(&other, class, rest);
                return Settled::Stored(records);
            }
            (Verdict::Refused, Class::Beyond(limit)) if range.len() == 1 => {
                let rest = beyond(&other, &rest);
                let reason = limit.reason();
                if !after_refused {
                    self.push_untried(Untried::border(&rest, class, true));
                    return Settled::Refused(records, reason);
                }
                let all = records.into_iter().chain(self.records(&rest));
                return Settled::Refused(all.collect(), reason);
            }
            (Verdict::Refused, Class::Doomed(reason)) => return Settled::Refused(records, reason),
            (Verdict::Refused, _) => {
                let rest = beyond(&other, &rest);
                if range.len() > 1 {
                    self.divide(&range, class, rest);
                    return Settled::Open;
                }
                self.push(rest, class, false);
            }
            (Verdict::TooLarge | Verdict::Untried, _) => {
                self.push(other, class, false);
                self.push(rest, class, false);
                if verdict == Verdict::Untried || range.len() > 1 {
                    if verdict == Verdict::TooLarge {
                        self.max_bytes = self.max_bytes.min(cut::smaller(self.bytes(&range)));
                    }
                    self.push(range, class, false);
                    return Settled::Open;
                }
            }
        }
        let unit = range.start;
        self.chains.push(Chain { unit, waiting: VecDeque::new(), busy: true });
        self.settle_within(records, unit, None, verdict)
    }

    /// Divides units that are refused together; nothing is known of the `rest` after them.
    pub(super) fn divide(&mut self, range: &Range<usize>, class: Class, rest: Range<usize>) {
        let all_refused = self.recent == u8::MAX;
        let one_by_one = match class {
            Class::Ordinary => self.untried.len() >= PLENTY && !all_refused,
            Class::Beyond(_) => true,
            Class::Suspect | Class::Test | Class::Refused | Class::Doomed(_) => false,
        };
        if one_by_one && !range.is_empty() {
            let middle = range.start + range.len().div_ceil(2);
            let (range, other) = (range.start..middle, middle..range.end);
            self.untried.push(Untried { other, rest, ..Untried::new(range, class, false) });
            return;
        }
        self.push(rest, class, false);
        let fan = match class {
            Class::Ordinary if all_refused => search::WIDE_FAN,
            Class::Ordinary => search::FAN,
            _ => search::SUSPECT_FAN,
        };
        for part in search::divided(range, fan) {
            self.push(part, class, false);
        }
    }

    /// One of those that are as good as refused is stored: so may be the others.
    fn spare_doomed(&mut self) {
        for one in self.untried.iter_mut().filter(|one| matches!(one.class, Class::Doomed(_))) {
            one.class = Class::Suspect;
        }
    }

    fn settle_within(
        &mut self,
        records: Vec<usize>,
        unit: usize,
        after: Option<Instant>,
        verdict: Verdict,
    ) -> Settled {
        let Some(chain) = self.chains.iter_mut().find(|chain| chain.unit == unit) else {
            return Settled::Open;
        };
        chain.busy = false;
        match (verdict, records.as_slice()) {
            (Verdict::Stored, _) => return Settled::Stored(records),
            (Verdict::Untried, _) => chain.waiting.push_front(Waiting { records, after }),
            (Verdict::Refused | Verdict::TooLarge, [record]) => {
                // Nothing after it may be sent before its own parts.
                chain.busy = true;
                return Settled::Single { record: *record, unit };
            }
            (Verdict::Refused | Verdict::TooLarge, _) => {
                let (first, second) = records.split_at(records.len() / 2);
                chain.waiting.push_front(second.to_vec().into());
                chain.waiting.push_front(first.to_vec().into());
            }
        }
        Settled::Open
    }

    /// Continues a unit after a single record of it was refused, with the records
    /// that were made of that one.
    pub(in crate::rescue) fn replace(&mut self, unit: usize, records: &[usize]) {
        if let Some(chain) = self.chains.iter_mut().find(|chain| chain.unit == unit) {
            chain.busy = false;
            for record in records.iter().rev() {
                chain.waiting.push_front(vec![*record].into());
            }
        }
    }

    /// Hands a single record out once more, after something was accepted that was sent
    /// after it was refused.
    pub(in crate::rescue) fn ask_again(&mut self, unit: usize, record: usize, refused_at: Instant) {
        if let Some(chain) = self.chains.iter_mut().find(|chain| chain.unit == unit) {
            chain.busy = false;
            chain.waiting.push_front(Waiting { records: vec![record], after: Some(refused_at) });
        }
    }
}
