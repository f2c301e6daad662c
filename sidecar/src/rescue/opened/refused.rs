//! What was refused of a chunk without being decided by that: [`super::super::refusals`], by
//! the numbers of its records.

use tokio::time::Instant;

use super::{
    super::{
        case::Case,
        ledger::{Fate, Hash},
    },
    Opened,
};

impl Opened<'_> {
    /// Notes that a record was refused by itself, when the last request had been accepted
    /// that was sent at `accepted_before`.
    pub(in crate::rescue) fn refuse_once(
        &mut self,
        case: &mut Case,
        record: usize,
        now: Instant,
        accepted_before: Option<Instant>,
    ) {
        let hash = self.hash(record);
        if hash.is_some_and(|hash| case.refusals.add(hash, now, accepted_before)) {
            self.count(record, |count| count.refused_once += 1);
        }
    }

    /// Notes that the batch was refused as a whole, if this chunk is all of it.
    pub(in crate::rescue) fn refuse_batch(&self, case: &mut Case) {
        if case.records == self.received {
            let records: Vec<usize> = (0..self.received).collect();
            self.refuse_part(case, &records, case.first_refused);
        }
    }

    /// Notes that records were refused together.
    pub(in crate::rescue) fn refuse_part(&self, case: &mut Case, records: &[usize], now: Instant) {
        let hashes = records.iter().filter_map(|record| self.hash(*record)).collect();
        case.refusals.add_part(now, hashes);
    }

    pub(in crate::rescue) fn is_refused_once(&self, case: &Case, record: usize) -> bool {
        self.hash(record).is_some_and(|hash| case.refusals.refused_alone(&hash).is_some())
    }

    /// Whether a record was refused twice, with something accepted in between.
    pub(in crate::rescue) fn is_refused_twice(&self, case: &Case, record: usize) -> bool {
        self.hash(record)
            .is_some_and(|hash| case.refusals.are_two(&hash, |one| self.is_stored(one)))
    }

    /// Whether that may come true without sending it once more.
    pub(in crate::rescue) fn may_be_refused_twice(&self, case: &Case, record: usize) -> bool {
        self.hash(record).is_some_and(|hash| case.refusals.may_be_two(&hash))
    }

    /// When a record was first refused by itself, or with others that are stored now, or
    /// its series was in several earlier batches.
    pub(in crate::rescue) fn refused_before(&self, case: &Case, record: usize) -> Option<Instant> {
        let first = case.refusals.first(&self.hash(record)?, |one| self.is_stored(one));
        first.or_else(|| self.refused_earlier(case, record))
    }

    fn is_stored(&self, record: &Hash) -> bool {
        self.around.ledger.decision(record) == Some(Fate::Stored)
    }

    /// When a record's series was first refused by itself, if it was in several earlier
    /// batches.
    pub(in crate::rescue) fn refused_earlier(&self, case: &Case, record: usize) -> Option<Instant> {
        let (_, labels) = self.hashes.get(record)?;
        let first = self.around.ledger.refused_since(labels)?;
        // What was accepted in between must have been since this batch was refused.
        (first < case.first_refused).then_some(case.first_refused)
    }
}
