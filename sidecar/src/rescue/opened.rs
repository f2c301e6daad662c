//! A chunk of a batch, with what is known and decided of its records.

mod planned;

use std::{collections::HashMap, ops::RangeInclusive, sync::Arc};

use super::{
    Reason,
    case::Case,
    chunk::Chunk,
    evidence::Evidence,
    ledger::{Decision, Hash, Ledger},
    search,
};
use crate::{
    memory::{Memory, Share},
    upstream::Failure,
};

/// What an attempt needs of its surroundings.
pub(super) struct Surroundings<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) evidence: &'a Evidence,
    pub(super) memory: &'a Arc<Memory>,
    /// Counts samples that were stored, or refused for a reason.
    pub(super) count: &'a (dyn Fn(Decision, u64) + Sync),
    /// The times that Azure takes, in milliseconds since 1970.
    pub(super) times: RangeInclusive<i64>,
}

/// A chunk, opened.
pub(super) struct Opened<'a> {
    pub(super) around: &'a Surroundings<'a>,
    pub(super) chunk: Chunk,
    /// Of each record: its hash, and that of its labels.
    hashes: Vec<(Hash, Hash)>,
    /// Records, and the two that each was divided into.
    divided: Vec<(usize, [usize; 2])>,
    /// Memory for divided records.
    held: Vec<Share>,
    /// How many records were received: divided ones come after them.
    received: usize,
    counts: Counts,
    /// A series was refused that makes others look guilty.
    new_suspects: bool,
}

/// So many refused series of a metric, and none stored, make the others suspects,
const SUSPECT_AFTER: u32 = 2;
/// and, after many attempts, hopeless.
const HOPELESS_AFTER: u32 = 3;
/// So many refused series of a batch, and none stored, make all of it hopeless.
const BATCH_HOPELESS_AFTER: u64 = 64;

/// Refused and stored series of each metric.
type Counts = HashMap<Vec<u8>, (u32, u32)>;

impl<'a> Opened<'a> {
    pub(super) fn new(around: &'a Surroundings<'a>, chunk: Chunk) -> Self {
        let mut opened = Self {
            around,
            received: chunk.len(),
            chunk,
            hashes: Vec::new(),
            divided: Vec::new(),
            held: Vec::new(),
            counts: Counts::new(),
            new_suspects: false,
        };
        opened.hashes = (0..opened.received).map(|record| opened.hashed(record)).collect();
        for record in 0..opened.received {
            if let Some(decision) = opened.decision(record) {
                opened.note(record, decision);
            }
        }
        // The last plan knew them.
        opened.new_suspects = false;
        opened
    }

    /// Whether a new plan would keep more series apart than the last one.
    pub(super) const fn has_new_suspects(&self) -> bool {
        self.new_suspects
    }

    fn hashed(&self, record: usize) -> (Hash, Hash) {
        let ledger = self.around.ledger;
        let labels = self.chunk.labels(record).unwrap_or_default();
        let labels = ledger.hash(labels.iter().flat_map(|(name, value)| [*name, *value]));
        // With its labels: a reference to a symbol means something else in
        // another batch.
        (ledger.hash([&labels[..], self.chunk.bytes(record)]), labels)
    }

    /// A number that nobody can foretell, another one for each attempt and probe:
    /// whoever chooses the order of series must not choose what is probed.
    pub(super) fn number(&self, attempt: u32, probe: u32) -> u64 {
        let parts = [self.chunk.bytes(0), &attempt.to_le_bytes(), &probe.to_le_bytes()];
        let hash = self.around.ledger.hash(parts);
        hash.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// A record's hash.
    pub(super) fn hash(&self, record: usize) -> Option<Hash> {
        self.hashes.get(record).map(|(hash, _)| *hash)
    }

    /// What became of a record, if that is known.
    pub(super) fn decision(&self, record: usize) -> Option<Decision> {
        self.around.ledger.decision(&self.hash(record)?)
    }

    /// Notes that a record was refused by itself.
    pub(super) fn refuse_alone(&mut self, case: &mut Case, record: usize, reason: Reason) {
        self.decide(case, record, Decision::Refused(reason));
        // Age says nothing about the next sample of the series.
        if reason != Reason::TooOld
            && let Some((_, labels)) = self.hashes.get(record)
        {
            self.around.ledger.suspect(*labels, reason);
        }
    }

    /// Notes what became of a record, once.
    pub(super) fn decide(&mut self, case: &mut Case, record: usize, decision: Decision) {
        let Some((hash, labels)) = self.hashes.get(record).copied() else { return };
        case.any_refused |= decision != Decision::Stored;
        if !self.around.ledger.decide(hash, decision) {
            return;
        }
        self.note(record, decision);
        let samples = self.chunk.samples(record);
        (self.around.count)(decision, samples.count);
        match decision {
            Decision::Stored => {
                case.account.store(&samples);
                self.around.ledger.clear(&labels);
            }
            Decision::Refused(reason) => {
                case.account.refuse(samples.count, reason, || self.chunk.name(record));
            }
        }
    }

    /// Counts what became of a metric's series.
    fn note(&mut self, record: usize, decision: Decision) {
        let Some(labels) = self.chunk.labels(record) else { return };
        let metric = search::metric(&labels).unwrap_or_default();
        let (refused, stored) = match self.counts.get_mut(metric) {
            Some(counts) => counts,
            None => self.counts.entry(metric.to_vec()).or_default(),
        };
        match decision {
            Decision::Stored => *stored += 1,
            Decision::Refused(_) => *refused += 1,
        }
        self.new_suspects |= *stored == 0 && *refused == SUSPECT_AFTER;
    }

    /// Divides a record of several samples in two, from now on in every attempt: a half
    /// that is stored must not be sent with the whole. `None` if it has one sample.
    pub(super) fn halve(
        &mut self,
        case: &mut Case,
        record: usize,
    ) -> Result<Option<[usize; 2]>, Failure> {
        let samples = self.chunk.samples(record).count;
        if samples < 2 {
            return Ok(None);
        }
        case.divided.extend(self.hash(record));
        self.divide(record, |number, _| number < samples / 2)
    }

    fn divide(
        &mut self,
        record: usize,
        is_first: impl FnMut(u64, i64) -> bool,
    ) -> Result<Option<[usize; 2]>, Failure> {
        let bytes = 2 * self.chunk.bytes(record).len();
        let held = self.around.memory.hold_elsewhere(bytes).ok_or(Failure::NoMemory)?;
        let Some((first, second)) = self.chunk.divide(record, is_first) else { return Ok(None) };
        self.held.push(held);
        let hashes = [self.hashed(first), self.hashed(second)];
        self.hashes.extend(hashes);
        self.divided.push((record, [first, second]));
        Ok(Some([first, second]))
    }

    /// Decides divided records whose parts are both decided.
    pub(super) fn close_divided(&mut self) {
        for (record, parts) in std::mem::take(&mut self.divided).into_iter().rev() {
            if let [Some(first), Some(second)] = parts.map(|part| self.decision(part))
                && let Some((hash, _)) = self.hashes.get(record)
            {
                let whole = if first == Decision::Stored { second } else { first };
                self.around.ledger.decide(*hash, whole);
            }
        }
    }

    /// After many attempts, gives up the records of which nothing is to be hoped:
    /// several series of the same metric were refused one by one, or many of the
    /// batch, and none was stored. Says whether that were all.
    pub(super) fn give_up_hopeless(&mut self, case: &mut Case, undecided: &[usize]) -> bool {
        let counts = self.counts.clone();
        let (refused, stored) = counts
            .values()
            .fold((0, 0), |sum, (refused, stored)| (sum.0 + u64::from(*refused), sum.1 + stored));
        let all = stored == 0 && refused >= BATCH_HOPELESS_AFTER;
        let mut any_left = false;
        for record in undecided.iter().copied() {
            let labels = self.chunk.labels(record).unwrap_or_default();
            let metric = search::metric(&labels).unwrap_or_default();
            let hopeless =
                matches!(counts.get(metric), Some((refused, 0)) if *refused >= HOPELESS_AFTER);
            if hopeless || all {
                self.decide(case, record, Decision::Refused(Reason::NotTried));
            } else {
                any_left = true;
            }
        }
        !any_left
    }
}
