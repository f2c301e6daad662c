//! The memory of requests under way: bounded, and used again.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A budget of bytes for all requests together.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: usize,
    reserved: AtomicUsize,
    spare: Mutex<Vec<Vec<u8>>>,
}

/// A body's bytes, within the budget; given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Arc<Memory>,
    reserved: usize,
    bytes: Vec<u8>,
}

/// This share of the budget is kept ready as buffers for the next requests: a
/// body of 1 MiB in memory that is new costs a third more CPU, for the page
/// faults alone.
const SPARE_SHARE: usize = 4;

impl Memory {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, reserved: AtomicUsize::new(0), spare: Mutex::default() })
    }

    /// An empty buffer with room for `capacity` bytes, if the budget has room.
    pub(crate) fn hold(self: &Arc<Self>, capacity: usize) -> Option<Held> {
        self.reserve(capacity).then(|| Held {
            memory: Arc::clone(self),
            reserved: capacity,
            bytes: self.buffer(capacity),
        })
    }

    /// A share of the budget for memory that is held elsewhere.
    pub(crate) fn hold_elsewhere(self: &Arc<Self>, bytes: usize) -> Option<Held> {
        let held = || Held { memory: Arc::clone(self), reserved: bytes, bytes: Vec::new() };
        self.reserve(bytes).then(held)
    }

    /// Whether so many bytes fit into the budget when nobody else holds any.
    pub(crate) const fn could_hold(&self, bytes: usize) -> bool {
        bytes <= self.limit
    }

    /// The bytes that are reserved now.
    pub(crate) fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }

    fn reserve(&self, more: usize) -> bool {
        let reserve =
            |reserved: usize| reserved.checked_add(more).filter(|reserved| *reserved <= self.limit);
        self.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve).is_ok()
    }

    /// Frees the buffers that nobody uses just now.
    pub(crate) fn free_spare(&self) {
        drop(std::mem::take(&mut *self.spare()));
    }

    /// Buffers come in powers of two, so that one fits many a body; a page that
    /// is never written to takes no memory. One that was used before may hold up
    /// to twice what is reserved for it: all together, twice the limit at most.
    fn buffer(&self, capacity: usize) -> Vec<u8> {
        if capacity == 0 {
            return Vec::new();
        }
        let size = capacity.next_power_of_two();
        let mut spare = self.spare();
        let fitting = spare.iter().position(|bytes| bytes.capacity() == size);
        let found = fitting.map(|place| spare.swap_remove(place));
        drop(spare);
        found.unwrap_or_else(|| Vec::with_capacity(size))
    }

    fn keep(&self, bytes: Vec<u8>) {
        let mut spare = self.spare();
        let kept: usize = spare.iter().map(Vec::capacity).sum();
        if bytes.capacity() > 0 && kept + bytes.capacity() <= self.limit / SPARE_SHARE {
            spare.push(bytes);
        }
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Makes room for `more` bytes behind those held, if the budget has room.
    pub(crate) fn grow(&mut self, more: usize) -> bool {
        let needed = (self.bytes.len() + more).saturating_sub(self.reserved);
        let granted = needed == 0 || self.memory.reserve(needed);
        if granted {
            self.reserved += needed;
            self.bytes.reserve(more);
        }
        granted
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.reserved.fetch_sub(self.reserved, Ordering::Relaxed);
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        self.memory.keep(bytes);
    }
}

impl Deref for Held {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_never_passed_and_always_given_back() {
        let memory = Memory::new(100);
        let mut first = memory.hold(60).unwrap();
        assert!(memory.hold(41).is_none());
        assert!(first.grow(80));
        first.extend_from_slice(&[0; 80]);
        assert!(!first.grow(21));
        let second = memory.hold(20).unwrap();
        assert_eq!(memory.reserved(), 100);
        drop((first, second));
        assert_eq!(memory.reserved(), 0);
        assert!(memory.hold(100).unwrap().is_empty());
    }

    #[test]
    fn buffers_are_used_again_within_their_share() {
        let memory = Memory::new(4096);
        let place = |held: &Held| held.as_ptr();
        let first = memory.hold(600).unwrap();
        let kept = place(&first);
        drop(first);
        assert_ne!(place(&memory.hold(300).unwrap()), kept, "too large for so little");
        let again = memory.hold(1000).unwrap();
        assert_eq!((place(&again), again.len()), (kept, 0));
        let second = memory.hold(1024).unwrap();
        drop((again, second));
        let sizes = |memory: &Memory| memory.spare().iter().map(Vec::capacity).sum::<usize>();
        assert!(sizes(&memory) <= 1024, "a quarter of all");
        memory.free_spare();
        assert_eq!(sizes(&memory), 0);
    }
}
