//! What becomes of a plan when a part is answered.

use std::{collections::VecDeque, ops::Range};

use super::{
    super::{cut, search},
    Chain, Class, PLENTY, Part, Place, Plan, Settled, Untried, Verdict,
};

impl Plan {
    /// Notes what became of a part.
    pub(in crate::rescue) fn settle(&mut self, part: Part, verdict: Verdict) -> Settled {
        match part.place {
            Place::Units(untried) => self.settle_units(part.records, untried, verdict),
            Place::Promising { range, witnesses } => {
                if verdict == Verdict::Stored {
                    return Settled::Stored(part.records);
                }
                // Where nearly all of it is refused, that is not sent once more.
                let known_bad = verdict != Verdict::Untried && range.len() > witnesses.len() + 1;
                self.witnesses = witnesses;
                self.push(range, Class::Ordinary, known_bad);
                Settled::Open
            }
            Place::Within { unit } => self.settle_within(part.records, unit, verdict),
        }
    }

    fn settle_units(&mut self, records: Vec<usize>, untried: Untried, verdict: Verdict) -> Settled {
        let Untried { range, class, other, rest, .. } = untried;
        if range.len() > 1 && matches!(verdict, Verdict::Stored | Verdict::Refused) {
            self.recent = self.recent << 1 | u8::from(verdict == Verdict::Refused);
        }
        match (verdict, class) {
            (Verdict::Stored, _) => {
                // Then the other half is refused.
                self.divide(&other, class, rest);
                return Settled::Stored(records);
            }
            (Verdict::Refused, Class::Doomed(reason)) => return Settled::Refused(records, reason),
            (Verdict::Refused, _) => {
                let rest =
                    if other.is_empty() { rest } else { other.start..rest.end.max(other.end) };
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
        self.settle_within(records, unit, verdict)
    }

    /// Divides units that are refused together; nothing is known of the `rest` after them.
    pub(super) fn divide(&mut self, range: &Range<usize>, class: Class, rest: Range<usize>) {
        let all_refused = self.recent == u8::MAX;
        let one_by_one = self.untried.len() >= PLENTY && class == Class::Ordinary && !all_refused;
        if one_by_one && !range.is_empty() {
            let middle = range.start + range.len().div_ceil(2);
            let (range, other) = (range.start..middle, middle..range.end);
            self.untried.push(Untried { range, class, known_bad: false, other, rest });
            return;
        }
        self.push(rest, class, false);
        let fan = match class {
            Class::Ordinary if all_refused => search::WIDE_FAN,
            Class::Ordinary => search::FAN,
            Class::Suspect | Class::Doomed(_) => search::SUSPECT_FAN,
        };
        for part in search::divided(range, fan) {
            self.push(part, class, false);
        }
    }

    fn settle_within(&mut self, records: Vec<usize>, unit: usize, verdict: Verdict) -> Settled {
        let Some(chain) = self.chains.iter_mut().find(|chain| chain.unit == unit) else {
            return Settled::Open;
        };
        chain.busy = false;
        match (verdict, records.as_slice()) {
            (Verdict::Stored, _) => return Settled::Stored(records),
            (Verdict::Untried, _) => chain.waiting.push_front(records),
            (Verdict::Refused | Verdict::TooLarge, [record]) => {
                // Nothing after it may be sent before its own parts.
                chain.busy = true;
                return Settled::Single { record: *record, unit };
            }
            (Verdict::Refused | Verdict::TooLarge, _) => {
                let (first, second) = records.split_at(records.len() / 2);
                chain.waiting.push_front(second.to_vec());
                chain.waiting.push_front(first.to_vec());
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
                chain.waiting.push_front(vec![*record]);
            }
        }
    }
}
