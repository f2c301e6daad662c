//! The bodies of reviews that are arriving: counted before they are held.
//!
//! They share one budget, so that no number of clients can make the process use more
//! memory than its container has. When the budget is used up, the body that has held
//! most for longest is given up. Whoever sends much, slowly, loses; a review as API
//! servers send it, small and at once, does not.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::{Body, HttpBody as _};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::log_limit::LogLimit;

/// The largest body. The API server takes objects of 3 MiB, and a review may hold two
/// with their escapes; controller-runtime has 7 MiB, linkerd 10.
pub const MAX_BODY_BYTES: usize = 8 << 20;
/// All bodies together: three of the largest, more than a thousand usual ones. The
/// chart gives the container 128 MiB, of which connections and what a body becomes
/// once it is read need the rest.
const BUDGET_BYTES: usize = 24 << 20;
/// A usual review fits in at once.
const FIRST_BYTES: usize = 16 << 10;
/// While no more than a quarter of the budget is used, a body whose length is known
/// gets its memory at once up to here: nothing is copied as it grows.
const AMPLE_BYTES: usize = 1 << 20;
/// A body that has just begun counts as if it were so old, so that of several new
/// ones the largest is given up.
const BIRTH: Duration = Duration::from_millis(1);

/// How long what still comes of a body that is refused is received and dropped, so
/// that a client that sends before it reads gets to know why.
const DISCARDING: Duration = Duration::from_secs(1);

/// Why a body was not received.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is larger than any review.
    #[error("expected a review of at most {MAX_BODY_BYTES} bytes")]
    TooLarge,
    /// Others needed the memory.
    #[error(
        "this review and others that are arriving take more than {BUDGET_BYTES} bytes: try again"
    )]
    GivenUp,
    /// The client or the network ended it.
    #[error("read the body")]
    Broken(#[source] axum::Error),
}

/// The bodies that are arriving.
#[derive(Debug)]
pub struct Bodies {
    budget: usize,
    held: Mutex<Held>,
    /// Whether to log that one was refused.
    pub(crate) refusals: LogLimit,
}

#[derive(Debug, Default)]
struct Held {
    next_id: u64,
    bytes: usize,
    by_id: BTreeMap<u64, Part>,
}

/// What has arrived of a body.
#[derive(Debug)]
struct Part {
    bytes: Vec<u8>,
    begun: Instant,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { budget: BUDGET_BYTES, held: Mutex::default(), refusals: LogLimit::default() }
    }
}

impl Bodies {
    /// Receives a whole body. It is not counted any more then: there is one thread,
    /// and it answers the review before it receives more of others.
    ///
    /// # Errors
    /// Where the body is too large, others need its memory, or it does not end.
    pub async fn receive(&self, mut body: Body) -> Result<Vec<u8>, BodyError> {
        let received = self.collect(&mut body).await;
        if matches!(received, Err(BodyError::TooLarge | BodyError::GivenUp)) {
            let rest = async { while let Some(Ok(_)) = body.frame().await {} };
            // Whether it ended changes nothing.
            let _ = tokio::time::timeout(DISCARDING, rest).await;
        }
        received
    }

    async fn collect(&self, body: &mut Body) -> Result<Vec<u8>, BodyError> {
        let expected = body.size_hint().exact().unwrap_or(u64::MAX);
        let expected = usize::try_from(expected).unwrap_or(usize::MAX);
        if expected > MAX_BODY_BYTES && expected != usize::MAX {
            return Err(BodyError::TooLarge);
        }
        let arriving = self.begin(expected);
        while let Some(frame) = body.frame().await {
            if let Some(bytes) = frame.map_err(BodyError::Broken)?.data_ref() {
                arriving.push(bytes)?;
            }
        }
        arriving.finish()
    }

    fn begin(&self, expected: usize) -> Arriving<'_> {
        let mut held = self.lock();
        let id = held.next_id;
        held.next_id += 1;
        held.by_id.insert(id, Part { bytes: Vec::new(), begun: Instant::now() });
        Arriving { bodies: self, id, expected }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Makes room for `more` bytes, and gives up others for it.
    fn make_room(&mut self, more: usize, budget: usize) {
        while self.bytes + more > budget && self.give_up_one() {}
    }

    /// Whether there was one.
    fn give_up_one(&mut self) -> bool {
        let cost = |part: &Part| {
            part.bytes.capacity() as u128 * (part.begun.elapsed() + BIRTH).as_micros()
        };
        let most = self.by_id.iter().max_by_key(|(_, part)| cost(part));
        let Some(id) = most.map(|(id, _)| *id) else { return false };
        self.remove(id);
        true
    }

    fn remove(&mut self, id: u64) -> Option<Vec<u8>> {
        let part = self.by_id.remove(&id)?;
        self.bytes -= part.bytes.capacity();
        Some(part.bytes)
    }
}

/// A body that is arriving. Dropped, it is forgotten.
struct Arriving<'a> {
    bodies: &'a Bodies,
    id: u64,
    /// How long it will be at most.
    expected: usize,
}

impl Arriving<'_> {
    fn push(&self, bytes: &[u8]) -> Result<(), BodyError> {
        let mut held = self.bodies.lock();
        let part = held.by_id.get(&self.id).ok_or(BodyError::GivenUp)?;
        let needed = part.bytes.len() + bytes.len();
        if needed > MAX_BODY_BYTES {
            return Err(BodyError::TooLarge);
        }
        let before = part.bytes.capacity();
        if needed > before {
            // Otherwise twice as much each time, so that little is copied.
            let is_ample = held.bytes <= self.bodies.budget / 4;
            let first = if is_ample { AMPLE_BYTES } else { FIRST_BYTES };
            let known = if self.expected == usize::MAX { FIRST_BYTES } else { first };
            let target = (2 * before).max(known).min(self.expected).max(needed);
            held.make_room(target - before, self.bodies.budget);
            let part = held.by_id.get_mut(&self.id).ok_or(BodyError::GivenUp)?;
            part.bytes.reserve_exact(target - part.bytes.len());
            held.bytes += part.bytes.capacity() - before;
        }
        let part = held.by_id.get_mut(&self.id).ok_or(BodyError::GivenUp)?;
        part.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self) -> Result<Vec<u8>, BodyError> {
        self.bodies.lock().remove(self.id).ok_or(BodyError::GivenUp)
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        drop(self.bodies.lock().remove(self.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1 << 10;
    const UNKNOWN: usize = usize::MAX;

    fn bodies(budget: usize) -> Bodies {
        Bodies { budget, ..Bodies::default() }
    }

    fn held(bodies: &Bodies) -> usize {
        let held = bodies.lock();
        let really: usize = held.by_id.values().map(|part| part.bytes.capacity()).sum();
        assert_eq!(held.bytes, really);
        really
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_holds_and_a_small_new_body_is_never_given_up() {
        let bodies = bodies(1000 * KIB);
        let slow: Vec<_> = (0..100).map(|_| bodies.begin(UNKNOWN)).collect();
        for round in 0..64 {
            tokio::time::advance(Duration::from_millis(10)).await;
            for one in &slow {
                // Given up or not: it goes on sending.
                let _ = one.push(&[b' '; KIB]);
                assert!(held(&bodies) <= 1000 * KIB);
            }
            let small = bodies.begin(15 * KIB);
            small.push(&[b'a'; 10 * KIB]).unwrap();
            small.push(&[b'b'; 5 * KIB]).unwrap();
            assert!(held(&bodies) <= 1000 * KIB);
            assert_eq!(small.finish().unwrap().len(), 15 * KIB, "round {round}");
        }
        let survivors = slow.into_iter().filter_map(|one| one.finish().ok()).count();
        assert!((1..=1000 / 64).contains(&survivors), "{survivors}");
        assert_eq!(held(&bodies), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_held_most_for_longest_is_given_up() {
        let bodies = bodies(100 * KIB);
        let old = bodies.begin(30 * KIB);
        old.push(&vec![0; 30 * KIB]).unwrap();
        tokio::time::advance(Duration::from_secs(2)).await;
        let large = bodies.begin(50 * KIB);
        large.push(&vec![0; 50 * KIB]).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        // 30 KiB for 3 s are more than 50 KiB for 1 s.
        let new = bodies.begin(40 * KIB);
        new.push(&vec![0; 40 * KIB]).unwrap();
        assert!(matches!(old.push(&[0]), Err(BodyError::GivenUp)));
        assert!(matches!(old.finish(), Err(BodyError::GivenUp)));
        assert_eq!(large.finish().unwrap().len(), 50 * KIB);
        assert_eq!(new.finish().unwrap().len(), 40 * KIB);
    }

    #[tokio::test]
    async fn what_is_dropped_or_too_large_holds_nothing() {
        let bodies = Bodies::default();
        let dropped = bodies.begin(UNKNOWN);
        dropped.push(&[0; 100]).unwrap();
        drop(dropped);
        assert_eq!(held(&bodies), 0);
        let large = bodies.begin(UNKNOWN);
        for _ in 0..MAX_BODY_BYTES / KIB {
            large.push(&[0; KIB]).unwrap();
        }
        assert!(matches!(large.push(&[0]), Err(BodyError::TooLarge)));
        assert!(held(&bodies) <= MAX_BODY_BYTES);
        drop(large);
        let announced = Body::from(vec![0; MAX_BODY_BYTES + 1]);
        assert!(matches!(bodies.receive(announced).await, Err(BodyError::TooLarge)));
        assert_eq!(bodies.receive(Body::from(vec![0; 20])).await.unwrap().capacity(), 20);
        assert_eq!(held(&bodies), 0);
    }
}
