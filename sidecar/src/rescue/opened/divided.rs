//! Records of several samples, divided until the bad ones are alone.

use tokio::time::Instant;

use super::{
    super::{Reason, case::Case, ledger::Fate, message::Samples},
    Opened,
};
use crate::{memory::Share, upstream::Failure};

impl Opened<'_> {
    /// Divides a record of several samples in two, from now on in every attempt: a half
    /// that is stored must not be sent with the whole. One sample is tried without its
    /// exemplars. `None` if it has none.
    pub(in crate::rescue) fn halve(
        &mut self,
        case: &mut Case,
        record: usize,
    ) -> Result<Option<Vec<usize>>, Failure> {
        let samples = self.chunk.samples(record);
        if samples.count == 0 || samples.count + samples.exemplars < 2 {
            return Ok(None);
        }
        case.divided.extend(self.hash(record));
        if samples.count == 1 {
            return self.leave_exemplars_out(record);
        }
        self.divide(record, |number, _| number < samples.count / 2)
    }

    /// Notes that a record was refused that is divided into these.
    pub(in crate::rescue) fn refuse_whole(
        &self,
        case: &mut Case,
        record: usize,
        parts: &[usize],
        now: Instant,
    ) {
        let Some(whole) = self.hash(record) else { return };
        if parts.len() > 1 {
            let hashes: Vec<_> = parts.iter().filter_map(|part| self.hash(*part)).collect();
            case.refusals.divide(now, &whole, &hashes);
        } else {
            // It may have been refused for its exemplars, which are left out now.
            case.refusals.settle(&whole, false);
        }
    }

    fn leave_exemplars_out(&mut self, record: usize) -> Result<Option<Vec<usize>>, Failure> {
        let held = self.hold(self.chunk.bytes(record).len())?;
        let Some(bare) = self.chunk.without_exemplars(record) else { return Ok(None) };
        Ok(Some(self.divided_into(record, [bare; 2], held)))
    }

    /// Holds memory for parts of a record.
    fn hold(&self, bytes: usize) -> Result<Share, Failure> {
        self.around.memory.hold_elsewhere(bytes).ok_or(Failure::NoMemory)
    }

    /// Notes the parts of a record; says which these are.
    fn divided_into(&mut self, record: usize, parts: [usize; 2], held: Share) -> Vec<usize> {
        self.held.push(held);
        self.divided.push((record, parts));
        let mut parts = parts.to_vec();
        parts.dedup();
        for part in &parts {
            let hashed = self.hashed(*part);
            self.hashes.push(hashed);
            self.note_refused(*part);
            if let Some(decision) = self.decision(*part) {
                self.note(*part, decision);
            }
        }
        parts
    }

    pub(super) fn divide(
        &mut self,
        record: usize,
        is_first: impl FnMut(u64, i64) -> bool,
    ) -> Result<Option<Vec<usize>>, Failure> {
        let held = self.hold(2 * self.chunk.bytes(record).len())?;
        let Some((first, second)) = self.chunk.divide(record, is_first) else { return Ok(None) };
        Ok(Some(self.divided_into(record, [first, second], held)))
    }

    /// Decides divided records whose parts are both decided.
    pub(in crate::rescue) fn close_divided(&mut self) {
        for (record, parts) in std::mem::take(&mut self.divided).into_iter().rev() {
            if let [Some(first), Some(second)] = parts.map(|part| self.decision(part))
                && let Some((hash, _)) = self.hashes.get(record)
            {
                let whole = match first {
                    Fate::Stored if parts[0] == parts[1] => Fate::Refused(Reason::Exemplar),
                    Fate::Stored => second,
                    Fate::Refused(_) => first,
                };
                self.around.ledger.decide(*hash, whole);
            }
        }
    }

    /// The record of which this one is all but its exemplars.
    pub(super) fn whole_of(&self, record: usize) -> Option<usize> {
        let whole = self.divided.iter().find(|(_, parts)| *parts == [record; 2]);
        whole.map(|(whole, _)| *whole)
    }

    /// Where a sample is stored that was refused with its exemplars, these are refused.
    pub(super) fn refuse_exemplars(&mut self, case: &mut Case, record: usize) {
        let Some(whole) = self.whole_of(record) else { return };
        let Some((hash, _)) = self.hashes.get(whole).copied() else { return };
        case.any_refused = true;
        if self.around.ledger.decide(hash, Fate::Refused(Reason::Exemplar)) {
            let exemplars = self.chunk.samples(whole).exemplars;
            let samples = Samples { exemplars, ..Samples::default() };
            self.count_refused(case, whole, &samples, Reason::Exemplar);
        }
    }

    /// Whether it is a part of a record that was refused in an earlier attempt.
    pub(super) fn is_halved(&self, record: usize) -> bool {
        self.halved.contains(&record)
    }
}
