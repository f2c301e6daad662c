//! The bodies of reviews that are arriving: counted before they are held.
//!
//! They share one budget, so that no number of clients can make the process use more
//! memory than its container has. When the budget is used up, the body that has held most
//! for longest is dropped. A client that sends much, slowly, loses; a review as API servers
//! send it, small and at once, does not.

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
/// All bodies together: two of the largest, a thousand usual ones. The
/// chart gives the container 128 MiB, of which connections and what a body becomes
/// once it is read need the rest.
const BUDGET_BYTES: usize = 16 << 20;
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
    #[error("this review and others that are arriving need more than {BUDGET_BYTES} bytes: retry")]
    GivenUp,
    /// The client or the network closed it.
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

/// The received part of a body.
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
mod tests;
