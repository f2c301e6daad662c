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
            Place::Units { range, class, other } => {
                // Where this half is accepted, the other one is refused.
                self.push(other, class, verdict == Verdict::Stored);
                self.settle_units(part.records, range, class, verdict)
            }
            Place::Within { unit } => self.settle_within(part.records, unit, verdict),
        }
    }

    fn settle_units(
        &mut self,
        records: Vec<usize>,
        range: Range<usize>,
        class: Class,
        verdict: Verdict,
    ) -> Settled {
        if range.len() > 1 && matches!(verdict, Verdict::Stored | Verdict::Refused) {
            self.recent = self.recent << 1 | u8::from(verdict == Verdict::Refused);
        }
        match (verdict, class) {
            (Verdict::Stored, _) => return Settled::Stored(records),
            (Verdict::Untried, _) => self.push(range, class, false),
            (Verdict::Refused, Class::Doomed(reason)) => return Settled::Refused(records, reason),
            (Verdict::TooLarge, _) if range.len() > 1 => {
                self.max_bytes = self.max_bytes.min(cut::smaller(self.bytes(&range)));
                self.push(range, class, false);
            }
            (Verdict::Refused, _) if range.len() > 1 => self.divide(&range, class),
            (Verdict::Refused | Verdict::TooLarge, _) => {
                let unit = range.start;
                self.chains.push(Chain { unit, waiting: VecDeque::new(), busy: true });
                return self.settle_within(records, unit, verdict);
            }
        }
        Settled::Open
    }

    pub(super) fn divide(&mut self, range: &Range<usize>, class: Class) {
        let all_refused = self.recent == u8::MAX;
        if self.untried.len() >= PLENTY && class == Class::Ordinary && !all_refused {
            let middle = range.start + range.len() / 2;
            let (range, other) = (range.start..middle, middle..range.end);
            self.untried.push(Untried { range, class, known_bad: false, other });
            return;
        }
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
