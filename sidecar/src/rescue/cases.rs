//! Batches that were refused, remembered until the sender's next attempt.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    case::Case,
    ledger::{Hash, MAX_RECORDS},
};

/// A body's length and hash.
pub(super) type Key = (usize, Hash);

/// The cases that are remembered.
pub(super) struct Cases {
    state: Mutex<State>,
    /// What was decided of so many records is surely remembered.
    max_unfinished: usize,
    /// So many records of refused parts are remembered.
    max_in_parts: usize,
}

#[derive(Default)]
struct State {
    known: HashMap<Key, Case>,
    /// The batches that are opened just now, with how many records they have.
    open: HashMap<Key, usize>,
}

/// A batch that is opened, so that nobody else opens it.
pub(super) struct OpenCase<'a> {
    cases: &'a Cases,
    key: Key,
}

/// More than the 200 shards that Prometheus is recommended to have at most.
const MAX_CASES: usize = 256;
/// What was decided of so many records of unfinished batches is surely remembered, with
/// as many of finished ones.
const MAX_UNFINISHED: usize = MAX_RECORDS / 2;
/// Records of refused parts, in 2 MiB: 32 of 64 records for each of 64 batches. Without
/// them, a search takes more requests, and finds the same.
const MAX_IN_PARTS: usize = 1 << 17;
/// A batch that does not come again for so long is not waited for.
const ABANDONED_AFTER: Duration = Duration::from_mins(2);
/// Senders retry within seconds, or a minute.
const MAX_AGE: Duration = Duration::from_mins(10);

impl Cases {
    /// Those of one of so many destinations, which divide what is remembered.
    pub(super) fn new(among: usize) -> Self {
        let (max_unfinished, max_in_parts) = (MAX_UNFINISHED / among, MAX_IN_PARTS / among);
        Self { state: Mutex::default(), max_unfinished, max_in_parts }
    }

    /// Marks a batch as opened; `None` if it is: its sender did not wait for the answer,
    /// or two senders have the same.
    pub(super) fn open(&self, key: Key) -> Option<OpenCase<'_>> {
        match self.state().open.entry(key) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(free) => free.insert(0),
        };
        Some(OpenCase { cases: self, key })
    }

    /// Whether an opened batch of so many records may be searched: what is decided of it
    /// must be remembered until it is finished, beside that of others, or it would be
    /// stored again. One that `is_searched` is finished in any case.
    pub(super) fn admit(&self, key: Key, records: usize, is_searched: bool) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        let unfinished = state
            .known
            .values()
            .filter(|case| case.searching && now.duration_since(case.last) < ABANDONED_AFTER);
        let waiting: usize = unfinished.map(|case| case.records).sum();
        let others = waiting + state.open.values().sum::<usize>();
        let fits = is_searched || others == 0 || others + records <= self.max_unfinished;
        if fits {
            state.open.insert(key, records);
        }
        fits
    }

    /// Whether a batch of this length is opened, and then whether it is this one.
    pub(super) fn is_open(&self, length: usize, key: impl FnOnce() -> Key) -> bool {
        let open = &self.state().open;
        open.keys().any(|(known, _)| *known == length) && open.contains_key(&key())
    }

    /// Takes a case that is being searched, if this is its body's length.
    pub(super) fn take_searching(&self, length: usize, key: impl FnOnce() -> Key) -> Option<Case> {
        let known = &mut self.state().known;
        known.iter().any(|((known, _), case)| *known == length && case.searching).then_some(())?;
        let key = key();
        known.get(&key).filter(|case| case.searching)?;
        known.remove(&key)
    }

    /// Takes what is known of a batch.
    pub(super) fn take(&self, key: &Key) -> Option<Case> {
        self.state().known.remove(key)
    }

    /// Remembers a case.
    pub(super) fn put(&self, key: Key, mut case: Case) {
        case.last = Instant::now();
        let known = &mut self.state().known;
        if known.len() >= MAX_CASES {
            let oldest = known.iter().min_by_key(|(_, case)| case.last).map(|(key, _)| *key);
            oldest.and_then(|key| known.remove(&key));
        }
        let in_parts: usize = known.values().map(|case| case.refusals.in_parts()).sum();
        if in_parts + case.refusals.in_parts() > self.max_in_parts {
            case.refusals.forget_parts();
        }
        known.insert(key, case);
    }

    /// Forgets what the sender does not send any more.
    pub(super) fn reap(&self, now: Instant) {
        self.state().known.retain(|_, case| now.duration_since(case.last) < MAX_AGE);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenCase<'_> {
    fn drop(&mut self) {
        self.cases.state().open.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{http1::Message, upstream::Received};

    fn case(searching: bool) -> Case {
        Case { searching, ..Case::new(Message::V1, Received::default(), 0) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_is_found_by_its_body_and_forgotten_in_time() {
        let cases = Cases::new(1);
        cases.put((7, [1; 16]), case(true));
        cases.put((8, [2; 16]), case(false));
        assert!(cases.take_searching(6, || unreachable!("no such length")).is_none());
        assert!(cases.take_searching(7, || (7, [9; 16])).is_none());
        assert!(cases.take_searching(8, || (8, [2; 16])).is_none(), "not searched");
        assert!(cases.take_searching(7, || (7, [1; 16])).is_some());
        assert!(cases.take_searching(7, || unreachable!("it was taken")).is_none());
        tokio::time::advance(MAX_AGE).await;
        cases.reap(Instant::now());
        assert!(cases.take(&(8, [2; 16])).is_none());
    }

    #[test]
    fn a_batch_that_is_open_stays_so_when_it_comes_again() {
        let cases = Cases::new(1);
        let key = (7, [1; 16]);
        let first = cases.open(key);
        assert!(first.is_some());
        for _ in 0..2 {
            assert!(cases.open(key).is_none());
            assert!(cases.is_open(7, || key));
        }
        drop(first);
        assert!(!cases.is_open(7, || unreachable!("none is open")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_searched_only_if_what_is_decided_of_it_is_remembered() {
        let cases = Cases::new(1);
        let key = |number: u8| (7, [number; 16]);
        let first = cases.open(key(1)).unwrap();
        assert!(cases.admit(key(1), 2 * MAX_UNFINISHED, false), "it is the only one");
        let second = cases.open(key(2)).unwrap();
        assert!(!cases.admit(key(2), 1, false));
        assert!(cases.admit(key(2), 1, true), "it is searched already");
        cases.put(key(1), Case { records: MAX_UNFINISHED, ..case(true) });
        drop((first, second));
        let _third = cases.open(key(3)).unwrap();
        assert!(!cases.admit(key(3), 1, false), "one will come again");
        tokio::time::advance(ABANDONED_AFTER).await;
        assert!(cases.admit(key(3), 1, false), "it did not");
    }

    #[test]
    fn cases_are_bounded() {
        let cases = Cases::new(1);
        for length in 0..2 * MAX_CASES {
            cases.put((length, [0; 16]), case(true));
        }
        assert_eq!(cases.state().known.len(), MAX_CASES);
        assert!(cases.take(&(2 * MAX_CASES - 1, [0; 16])).is_some());
    }

    #[test]
    fn memory_of_refused_parts_is_bounded() {
        let (one, among) = (Cases::new(1), Cases::new(8));
        let mut refused = case(true);
        for number in 0..100 {
            refused.refusals.add_part(Instant::now(), vec![[number; 16]; 64]);
        }
        let each = refused.refusals.in_parts();
        assert_eq!(each, 6400);
        for (cases, most) in [(one, MAX_IN_PARTS), (among, MAX_IN_PARTS / 8)] {
            for length in 0..MAX_CASES {
                cases.put((length, [0; 16]), refused.clone());
            }
            let known = &cases.state().known;
            let all: usize = known.values().map(|case| case.refusals.in_parts()).sum();
            assert_eq!((known.len(), all), (MAX_CASES, most / each * each));
        }
    }
}
