//! What was decided about records, remembered across the sender's attempts.
//!
//! A sender that is asked to retry sends the same batch again. What was stored or
//! refused of it is remembered by a keyed hash of each record, so that the next
//! attempt continues where the last one ended: nothing is stored twice, and
//! nothing is counted twice.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::{hmac, rand};
use tokio::time::Instant;

use super::{Reason, plan::Class};

/// The hash of a record, of a series' labels or of a body. It is keyed, so that
/// nobody who chooses what is scraped can make two of them equal.
pub(super) type Hash = [u8; 16];

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Azure has it.
    Stored,
    /// Azure refuses it.
    Refused(Reason),
}

/// Remembers for some minutes, within bounds.
pub(super) struct Ledger {
    key: hmac::Key,
    state: Mutex<State>,
}

struct State {
    records: Generations<Fate>,
    /// The labels of series that were refused.
    labels: Generations<Guilt>,
}

/// How a series was refused.
#[derive(Clone, Copy)]
struct Guilt {
    /// In how many batches, each time by itself, since one of its samples was stored.
    times: u32,
    /// When that was first, and last.
    first: Instant,
    tested: Instant,
    reason: Reason,
}

/// A series that was refused by itself in so many batches is not sent by itself with every
/// batch, but once a minute: a metric of 100 series that is refused for hours would
/// cost 100 requests a batch.
const DOOMED_AFTER: u32 = 3;
const TESTED_EVERY: Duration = Duration::from_mins(1);

impl Guilt {
    fn is_certain(&self) -> bool {
        self.times >= DOOMED_AFTER && self.tested.elapsed() < TESTED_EVERY
    }
}

/// Entries in two maps: the older one is dropped when the younger one is full or
/// old enough, so an entry lives for one to two periods.
struct Generations<T> {
    young: HashMap<Hash, T>,
    old: HashMap<Hash, T>,
    since: Instant,
    limit: usize,
}

/// Prometheus retries within seconds; ten minutes and more let it be slow, and be
/// restarted in between.
const PERIOD: Duration = Duration::from_mins(10);
/// Records in one generation, in some 5 MiB: 64 batches of 2,000.
pub(super) const MAX_RECORDS: usize = 1 << 17;
/// Labels of refused series in one generation.
const MAX_LABELS: usize = 1 << 14;

impl Ledger {
    /// One of so many, which together remember as much as one would.
    pub(super) fn new(among: usize) -> Self {
        let mut key = [0; 32];
        // Without randomness hashes can be foretold, which is no reason to fail.
        let _ = rand::fill(&mut key);
        Self::with_key(&key, among)
    }

    /// One whose hashes can be foretold by whoever knows the key.
    pub(super) fn with_key(key: &[u8], among: usize) -> Self {
        let state = State {
            records: Generations::new(MAX_RECORDS / among),
            labels: Generations::new(MAX_LABELS / among),
        };
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), state: Mutex::new(state) }
    }

    /// The hash of parts, each told from the next.
    pub(super) fn hash<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> Hash {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let tag = context.sign();
        tag.as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// What became of a record, if that is known.
    pub(super) fn decision(&self, record: &Hash) -> Option<Fate> {
        self.state().records.get(record).copied()
    }

    /// Remembers what is known of a record as if it were new.
    pub(super) fn keep(&self, record: &Hash) {
        self.state().records.touch(record);
    }

    /// Notes what became of a record; `false` if that was known.
    pub(super) fn decide(&self, record: Hash, decision: Fate) -> bool {
        self.state().records.insert(record, decision)
    }

    /// Notes that a series with these labels was refused by itself, in a batch that was
    /// refused at `begun`.
    pub(super) fn suspect(&self, labels: Hash, reason: Reason, begun: Instant) {
        let labels_of = &mut self.state().labels;
        let tested = Instant::now();
        let (times, first) = labels_of.get(&labels).map_or((1, tested), |guilt| {
            (guilt.times + u32::from(guilt.tested < begun), guilt.first)
        });
        labels_of.insert(labels, Guilt { times, first, tested, reason });
    }

    /// Notes that a series with these labels was stored.
    pub(super) fn clear(&self, labels: &Hash) {
        self.state().labels.remove(labels);
    }

    /// When a series with these labels was last refused by itself, if none of its samples
    /// was stored since.
    pub(super) fn refused_at(&self, labels: &Hash) -> Option<Instant> {
        self.state().labels.get(labels).map(|guilt| guilt.tested)
    }

    /// When a series with these labels was first refused by itself, if it was in several
    /// batches, lately too, and none of its samples was stored since.
    pub(super) fn refused_since(&self, labels: &Hash) -> Option<Instant> {
        self.state().labels.get(labels).filter(|guilt| guilt.is_certain()).map(|guilt| guilt.first)
    }

    /// What is expected of a series with these labels.
    pub(super) fn expected(&self, labels: &Hash) -> Class {
        match self.state().labels.get(labels) {
            None => Class::Ordinary,
            Some(guilt) if guilt.is_certain() => Class::Doomed(guilt.reason),
            Some(_) => Class::Suspect,
        }
    }

    /// Forgets what is old, although nothing new comes.
    pub(super) fn reap(&self) {
        let state = &mut *self.state();
        state.records.turn();
        state.labels.turn();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Generations<T> {
    fn new(limit: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), since: Instant::now(), limit }
    }

    fn get(&self, hash: &Hash) -> Option<&T> {
        self.young.get(hash).or_else(|| self.old.get(hash))
    }

    fn insert(&mut self, hash: Hash, value: T) -> bool {
        self.turn();
        let is_new = self.get(&hash).is_none();
        self.young.insert(hash, value);
        is_new
    }

    /// Remembers an entry as if it were new.
    fn touch(&mut self, hash: &Hash) {
        if self.young.len() < self.limit
            && let Some(value) = self.old.remove(hash)
        {
            self.young.entry(*hash).or_insert(value);
        }
    }

    fn remove(&mut self, hash: &Hash) {
        self.young.remove(hash);
        self.old.remove(hash);
    }

    fn turn(&mut self) {
        let now = Instant::now();
        if self.young.len() >= self.limit || now.duration_since(self.since) >= PERIOD {
            self.old = std::mem::take(&mut self.young);
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_differ_from_each_other() {
        let ledger = Ledger::new(1);
        let hash = |parts: &[&[u8]]| ledger.hash(parts.iter().copied());
        assert_eq!(hash(&[b"ab", b"c"]), hash(&[b"ab", b"c"]));
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
        assert_ne!(hash(&[b"ab"]), Ledger::new(1).hash([&b"ab"[..]]), "keyed");
    }

    #[tokio::test(start_paused = true)]
    async fn decisions_are_kept_for_ten_to_twenty_minutes() {
        let ledger = Ledger::new(1);
        assert!(ledger.decide([1; 16], Fate::Stored));
        assert!(!ledger.decide([1; 16], Fate::Stored));
        ledger.suspect([2; 16], Reason::Other, Instant::now());
        tokio::time::advance(PERIOD).await;
        ledger.reap();
        assert_eq!(ledger.decision(&[1; 16]), Some(Fate::Stored));
        assert_eq!(ledger.expected(&[2; 16]), Class::Suspect);
        tokio::time::advance(PERIOD).await;
        ledger.reap();
        assert_eq!(ledger.decision(&[1; 16]), None);
        assert_eq!(ledger.expected(&[2; 16]), Class::Ordinary);
    }

    #[tokio::test(start_paused = true)]
    async fn a_series_that_is_always_refused_is_tested_once_a_minute() {
        let ledger = Ledger::new(1);
        let labels = [2; 16];
        let begun = Instant::now();
        for _ in 0..DOOMED_AFTER {
            assert!(!matches!(ledger.expected(&labels), Class::Doomed(_)));
            tokio::time::advance(Duration::from_secs(1)).await;
            ledger.suspect(labels, Reason::Label, Instant::now());
            ledger.suspect(labels, Reason::Label, begun);
        }
        assert_eq!(ledger.expected(&labels), Class::Doomed(Reason::Label));
        tokio::time::advance(TESTED_EVERY).await;
        assert_eq!(ledger.expected(&labels), Class::Suspect);
        ledger.clear(&labels);
        assert_eq!(ledger.expected(&labels), Class::Ordinary);
    }

    #[test]
    fn records_are_bounded() {
        let mut records = Generations::new(100);
        for number in 0..1000_u32 {
            let mut hash = Hash::default();
            hash[..4].copy_from_slice(&number.to_le_bytes());
            records.insert(hash, ());
            assert!(records.get(&hash).is_some());
            assert!(records.young.len() + records.old.len() <= 200);
        }
    }
}
