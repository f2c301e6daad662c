//! The memory of requests under way: bounded, and used again.

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, PoisonError,
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

/// A buffer up to this size is kept for the next request: Prometheus' usual
/// bodies are about 100 KiB.
const MAX_SPARE_BYTES: usize = 160 << 10;
/// So many are kept: what eight requests at once need, and 1.25 MiB at most.
const MAX_SPARE_BUFFERS: usize = 8;

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

    fn buffer(&self, capacity: usize) -> Vec<u8> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = spare.pop().unwrap_or_default();
        drop(spare);
        bytes.reserve_exact(capacity);
        bytes
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
        let mut spare = self.memory.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes.capacity() <= MAX_SPARE_BYTES && spare.len() < MAX_SPARE_BUFFERS {
            spare.push(bytes);
        }
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
}
