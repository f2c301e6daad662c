//! The refusals of a batch that have not decided anything yet. Pure.
//!
//! A record counts as refused after two refusals with an acceptance in between. The first
//! may be that of a part with other records: once these are all stored, this record was
//! the reason.

use std::collections::HashMap;

use tokio::time::Instant;

use super::ledger::Hash;

/// The refusals that have not decided anything yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals {
    alone: HashMap<Hash, Alone>,
    parts: Vec<RefusedPart>,
}

/// The refusal of a record by itself.
#[derive(Clone, Copy, Debug)]
struct Alone {
    at: Instant,
    /// When the last request was sent that had been accepted before this one, if recently.
    accepted_before: Option<Instant>,
}

/// The refusal of several records together.
#[derive(Clone, Debug)]
struct RefusedPart {
    at: Instant,
    records: Vec<Hash>,
}

/// The maximum size of a part; its hashes take 1 KiB. A larger one is divided long before all
/// but one of its records are stored.
const MAX_RECORDS: usize = 64;
/// The requests of two attempts: a part is forgotten once one of its records is found to be
/// bad, so few stay longer.
const MAX_PARTS: usize = 128;

impl Refusals {
    /// Several records were refused together.
    pub(super) fn add_part(&mut self, at: Instant, records: Vec<Hash>) {
        if records.len() <= MAX_RECORDS && self.parts.len() < MAX_PARTS {
            self.parts.push(RefusedPart { at, records });
        }
    }

    /// How many records the parts have, each of them with `Hash`'s 16 bytes.
    pub(super) fn in_parts(&self) -> usize {
        self.parts.iter().map(|part| part.records.len()).sum()
    }

    /// Forgets parts: each of their records then has to be refused by itself, twice.
    pub(super) fn forget_parts(&mut self) {
        self.parts = Vec::new();
    }

    /// A record was refused by itself; `false` if that was known.
    pub(super) fn add(
        &mut self,
        record: Hash,
        at: Instant,
        accepted_before: Option<Instant>,
    ) -> bool {
        let is_new = !self.alone.contains_key(&record);
        self.alone.entry(record).or_insert(Alone { at, accepted_before });
        is_new
    }

    /// A refused record was divided.
    pub(super) fn divide(&mut self, at: Instant, record: &Hash, into: &[Hash]) {
        for part in self.parts.iter_mut().filter(|part| part.records.contains(record)) {
            part.records.retain(|one| one != record);
            part.records.extend(into);
        }
        self.add_part(at, into.to_vec());
    }

    /// A record was decided: if it is bad, parts with it prove nothing about their others.
    pub(super) fn settle(&mut self, record: &Hash, is_stored: bool) {
        self.alone.remove(record);
        if !is_stored {
            self.parts.retain(|part| !part.records.contains(record));
        }
    }

    /// When a record was refused by itself.
    pub(super) fn refused_alone(&self, record: &Hash) -> Option<Instant> {
        self.alone.get(record).map(|alone| alone.at)
    }

    /// When a record was first refused, by itself or with others that are all stored now.
    pub(super) fn first(
        &self,
        record: &Hash,
        is_stored: impl Fn(&Hash) -> bool,
    ) -> Option<Instant> {
        self.refused_alone(record).into_iter().chain(self.with_others(record, is_stored)).min()
    }

    /// Whether a record was refused with others that are all stored now, and once more by
    /// itself after something was accepted in between.
    pub(super) fn are_two(&self, record: &Hash, is_stored: impl Fn(&Hash) -> bool) -> bool {
        let accepted = self.alone.get(record).and_then(|alone| alone.accepted_before);
        self.with_others(record, is_stored).is_some_and(|first| accepted >= Some(first))
    }

    /// Whether that may become true without another request for it: none of the records that
    /// were refused together with it was refused by itself.
    pub(super) fn may_be_two(&self, record: &Hash) -> bool {
        let accepted = self.alone.get(record).and_then(|alone| alone.accepted_before);
        self.parts.iter().any(|part| {
            accepted >= Some(part.at)
                && part.records.contains(record)
                && part.records.iter().all(|one| one == record || !self.alone.contains_key(one))
        })
    }

    fn with_others(&self, record: &Hash, is_stored: impl Fn(&Hash) -> bool) -> Option<Instant> {
        let is_for_it = |part: &&RefusedPart| {
            part.records.contains(record)
                && part.records.iter().all(|one| one == record || is_stored(one))
        };
        self.parts.iter().filter(is_for_it).map(|part| part.at).min()
    }

    /// Forgets refusals without a later acceptance: they may have been about everything.
    pub(super) fn forget_since(&mut self, accepted: Option<Instant>) {
        self.alone.retain(|_, alone| accepted >= Some(alone.at));
        self.parts.retain(|part| accepted >= Some(part.at));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const fn hash(number: u8) -> Hash {
        [number; 16]
    }

    #[test]
    fn a_refusal_of_several_is_for_the_one_that_is_left() {
        let first = Instant::now();
        let at = |seconds: u64| first + Duration::from_secs(seconds);
        let mut refusals = Refusals::default();
        refusals.add_part(at(1), vec![hash(1), hash(2), hash(3)]);
        let only_two = |one: &Hash| *one == hash(2);
        let both = |one: &Hash| *one == hash(2) || *one == hash(3);
        assert_eq!(refusals.first(&hash(1), only_two), None);
        assert_eq!(refusals.first(&hash(1), both), Some(at(1)));
        assert_eq!(refusals.first(&hash(4), both), None);
        // Refused alone as well, but nothing was accepted in between.
        assert!(refusals.add(hash(1), at(2), Some(at(0))));
        assert!(!refusals.are_two(&hash(1), both));
        assert!(!refusals.add(hash(1), at(3), Some(at(2))), "the first counts");
        assert!(!refusals.are_two(&hash(1), both));
        refusals.settle(&hash(1), true);
        refusals.add(hash(1), at(3), Some(at(2)));
        assert!(refusals.are_two(&hash(1), both) && !refusals.are_two(&hash(1), only_two));
        // Another one explains the refusal.
        refusals.settle(&hash(3), false);
        assert!(!refusals.are_two(&hash(1), both));
    }

    #[test]
    fn the_parts_of_a_record_take_its_place() {
        let now = Instant::now();
        let mut refusals = Refusals::default();
        refusals.add_part(now, vec![hash(1), hash(2)]);
        let later = now + Duration::from_secs(1);
        refusals.divide(later, &hash(1), &[hash(3), hash(4)]);
        assert_eq!(refusals.first(&hash(3), |one| *one == hash(4)), Some(later));
        assert_eq!(refusals.first(&hash(3), |one| *one != hash(3)), Some(now));
        refusals.forget_since(Some(now));
        assert_eq!(refusals.first(&hash(3), |one| *one == hash(4)), None);
        assert_eq!(refusals.first(&hash(3), |one| *one != hash(3)), Some(now));
        refusals.forget_since(None);
        assert_eq!(refusals.first(&hash(3), |_| true), None);
    }
}
