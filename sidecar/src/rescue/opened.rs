//! A chunk of a batch, with what is known and decided of its records.

mod divided;
mod expected;
mod planned;
mod refused;

use std::{
    collections::{HashMap, HashSet},
    ops::RangeInclusive,
    sync::Arc,
};

use tokio::task::yield_now;

use super::{
    Reason,
    case::Case,
    chunk::Chunk,
    evidence::Evidence,
    ledger::{Fate, Hash, Ledger},
    message::Samples,
    search,
};
use crate::memory::{Memory, Share};

/// What an attempt needs of its surroundings.
pub(super) struct Surroundings<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) evidence: &'a Evidence,
    pub(super) memory: &'a Arc<Memory>,
    /// Counts samples that were stored, or refused for a reason.
    pub(super) count: &'a (dyn Fn(Fate, u64) + Sync),
    /// The times that Azure takes, in milliseconds since 1970.
    pub(super) times: RangeInclusive<i64>,
}

/// A chunk, opened.
pub(super) struct Opened<'a> {
    pub(super) around: &'a Surroundings<'a>,
    pub(super) chunk: Chunk,
    /// Of each record: its hash, and that of its labels.
    hashes: Vec<(Hash, Hash)>,
    /// Records, and the two that each was divided into; or, twice, the one without
    /// exemplars.
    divided: Vec<(usize, [usize; 2])>,
    /// Those of them that were made because they were refused together.
    halved: HashSet<usize>,
    /// The labels of series of which a record was refused.
    refused_series: HashSet<Hash>,
    /// Memory for divided records.
    held: Vec<Share>,
    /// How many records were received: divided ones come after them.
    received: usize,
    counts: Counts,
    /// A series was refused that makes others look guilty.
    new_suspects: bool,
}

/// So many records are hashed at a stretch: a millisecond.
const STRETCH_RECORDS: usize = 500;
/// So many refused series of a metric, and none stored, make the others suspects,
const SUSPECT_AFTER: u32 = 2;
/// and, after more attempts that something was found out in than these, hopeless.
const HOPELESS_AFTER: u32 = 3;
const HOPELESS_AFTER_ATTEMPTS: u32 = 6;
/// So many refused series of a batch, and none stored, make all of it hopeless, after more
/// attempts than these.
const BATCH_HOPELESS_AFTER: u64 = 32;
const BATCH_HOPELESS_AFTER_ATTEMPTS: u32 = 3;

/// What became of each metric's series.
type Counts = HashMap<Vec<u8>, Count>;

#[derive(Clone, Copy, Default)]
struct Count {
    stored: u32,
    refused: u32,
    /// Those that were refused once, which is no decision yet.
    refused_once: u32,
}

impl Count {
    /// Whether so many are refused, it seems, and none is stored.
    const fn is_suspect(self) -> bool {
        self.stored == 0 && self.refused + self.refused_once >= SUSPECT_AFTER
    }
}

impl<'a> Opened<'a> {
    /// Others go on in between: it takes some milliseconds.
    pub(super) async fn new(around: &'a Surroundings<'a>, chunk: Chunk, case: &Case) -> Self {
        let mut opened = Self {
            around,
            received: chunk.len(),
            chunk,
            hashes: Vec::new(),
            divided: Vec::new(),
            halved: HashSet::new(),
            refused_series: HashSet::new(),
            held: Vec::new(),
            counts: Counts::new(),
            new_suspects: false,
        };
        for record in 0..opened.received {
            let hashed = opened.hashed(record);
            opened.hashes.push(hashed);
            if record % STRETCH_RECORDS == STRETCH_RECORDS - 1 {
                yield_now().await;
            }
        }
        for record in 0..opened.received {
            if let Some(decision) = opened.decision(record) {
                opened.hash(record).iter().for_each(|hash| around.ledger.keep(hash));
                opened.note(record, decision);
            }
            opened.note_refused(record);
            if opened.is_refused_once(case, record) {
                opened.count(record, |count| count.refused_once += 1);
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
    pub(super) fn decision(&self, record: usize) -> Option<Fate> {
        self.around.ledger.decision(&self.hash(record)?)
    }

    /// Notes that a record was refused by itself.
    pub(super) fn refuse_alone(&mut self, case: &mut Case, record: usize, reason: Reason) {
        self.decide(case, record, Fate::Refused(reason));
        // Age says nothing about the next sample of the series.
        if reason != Reason::TooOld
            && let Some((_, labels)) = self.hashes.get(record)
        {
            self.around.ledger.suspect(*labels, reason, case.first_refused);
        }
    }

    /// Notes what became of a record, once.
    pub(super) fn decide(&mut self, case: &mut Case, record: usize, decision: Fate) {
        let Some((hash, labels)) = self.hashes.get(record).copied() else { return };
        case.any_refused |= decision != Fate::Stored;
        case.refusals.settle(&hash, decision == Fate::Stored);
        if !self.around.ledger.decide(hash, decision) {
            return;
        }
        self.note(record, decision);
        let samples = self.chunk.samples(record);
        match decision {
            Fate::Stored => {
                (self.around.count)(decision, samples.count);
                case.account.store(&samples);
                self.around.ledger.clear(&labels);
                self.refuse_exemplars(case, record);
            }
            Fate::Refused(reason) => {
                // Its exemplars are refused with it.
                let samples =
                    self.whole_of(record).map_or(samples, |whole| self.chunk.samples(whole));
                self.count_refused(case, record, &samples, reason);
            }
        }
    }

    fn count_refused(&mut self, case: &mut Case, record: usize, samples: &Samples, reason: Reason) {
        let (reason, count) = match samples.count {
            0 if samples.exemplars > 0 => (Reason::Exemplar, samples.exemplars),
            count => (reason, count),
        };
        (self.around.count)(Fate::Refused(reason), count);
        let is_new = self.note_refused(record);
        case.account.refuse(samples, is_new, reason, || self.chunk.name(record));
    }

    /// Notes that a record's series was refused, if it was; `false` if that was known.
    fn note_refused(&mut self, record: usize) -> bool {
        let is_refused = matches!(self.decision(record), Some(Fate::Refused(_)));
        let labels = self.hashes.get(record).map(|(_, labels)| *labels);
        is_refused && labels.is_some_and(|labels| self.refused_series.insert(labels))
    }

    /// Counts what became of a metric's series.
    fn note(&mut self, record: usize, decision: Fate) {
        self.count(record, |count| match decision {
            Fate::Stored | Fate::Refused(Reason::Exemplar) => count.stored += 1,
            Fate::Refused(_) => count.refused += 1,
        });
    }

    fn count(&mut self, record: usize, add: impl FnOnce(&mut Count)) {
        let Some(labels) = self.chunk.labels(record) else { return };
        let metric = search::metric(&labels).unwrap_or_default();
        let count = match self.counts.get_mut(metric) {
            Some(count) => count,
            None => self.counts.entry(metric.to_vec()).or_default(),
        };
        let was_suspect = count.is_suspect();
        add(count);
        self.new_suspects |= count.is_suspect() && !was_suspect;
    }

    /// After many attempts, gives up the records of which nothing is to be hoped:
    /// several series of the same metric were refused one by one, or many of the
    /// batch, and none was stored. Says whether that were all.
    pub(super) fn give_up_hopeless(&mut self, case: &mut Case, undecided: &[usize]) -> bool {
        let counts = self.counts.clone();
        let refused: u64 = counts.values().map(|count| u64::from(count.refused)).sum();
        let stored: u32 = counts.values().map(|count| count.stored).sum();
        let all = stored == 0
            && refused >= BATCH_HOPELESS_AFTER
            && case.fruitful > BATCH_HOPELESS_AFTER_ATTEMPTS;
        let any = case.fruitful > HOPELESS_AFTER_ATTEMPTS;
        let mut any_left = false;
        for record in undecided.iter().copied() {
            let labels = self.chunk.labels(record).unwrap_or_default();
            let metric = search::metric(&labels).unwrap_or_default();
            let is_hopeless = |count: &Count| count.stored == 0 && count.refused >= HOPELESS_AFTER;
            let hopeless = any && counts.get(metric).is_some_and(is_hopeless);
            if hopeless || all {
                self.decide(case, record, Fate::Refused(Reason::NotTried));
            } else {
                any_left = true;
            }
        }
        !any_left
    }
}
