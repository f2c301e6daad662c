//! Memory for requests in flight: counted before it is allocated, and recycled.

use std::{
    io,
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// A budget of bytes for many requests together.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: usize,
    reserved: AtomicUsize,
    spare: Mutex<Spare>,
}

/// Buffers for the next requests.
#[derive(Debug, Default)]
struct Spare {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

/// A part of the budget; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    memory: Arc<Memory>,
    bytes: usize,
}

/// Bytes whose whole capacity is part of the budget; they cannot grow beyond it.
#[derive(Debug)]
pub(crate) struct Held {
    share: Share,
    bytes: Vec<u8>,
}

/// This share of the budget is kept ready as buffers for the next requests: a
/// body of 1 MiB in memory that is new costs a third more CPU, for the page
/// faults alone.
const SPARE_SHARE: usize = 4;
/// The smallest buffer: a page.
const PAGE: usize = 4 << 10;

impl Memory {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, reserved: AtomicUsize::new(0), spare: Mutex::default() })
    }

    /// An empty buffer with room for `capacity` bytes, if the budget has room.
    pub(crate) fn hold(self: &Arc<Self>, capacity: usize) -> Option<Held> {
        let capacity = self.buffer_size(capacity);
        let share = self.hold_elsewhere(capacity)?;
        Some(Held { share, bytes: self.buffer(capacity) })
    }

    /// A part of the budget for memory that is held elsewhere.
    pub(crate) fn hold_elsewhere(self: &Arc<Self>, bytes: usize) -> Option<Share> {
        self.reserve(bytes).then(|| Share { memory: Arc::clone(self), bytes })
    }

    /// Whether so many bytes fit into the budget when no one else holds any.
    pub(crate) const fn could_hold(&self, bytes: usize) -> bool {
        bytes <= self.limit
    }

    /// Whether more than half of the budget is free.
    pub(crate) fn is_ample(&self) -> bool {
        self.reserved() < self.limit / 2
    }

    /// The bytes that are reserved now.
    pub(crate) fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Frees the buffers that no one uses just now.
    pub(crate) fn free_spare(&self) {
        drop(std::mem::take(&mut *self.spare()));
    }

    /// Spare buffers are part of what the budget bounds.
    fn reserve(&self, more: usize) -> bool {
        let reserve =
            |reserved: usize| reserved.checked_add(more).filter(|reserved| *reserved <= self.limit);
        let Ok(before) = self.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve)
        else {
            return false;
        };
        let mut spare = self.spare();
        if before + more + spare.bytes > self.limit {
            *spare = Spare::default();
        }
        true
    }

    /// Sizes come in steps of an eighth of the next power of two, so that a
    /// buffer fits many a body and at most a quarter of it is unused.
    fn buffer_size(&self, capacity: usize) -> usize {
        if capacity == 0 {
            return 0;
        }
        let step = (capacity.next_power_of_two() / 8).max(PAGE);
        let size = capacity.div_ceil(step).saturating_mul(step);
        // A size that the budget can hold at all fits once everything else is freed.
        if size > self.limit { capacity } else { size }
    }

    fn buffer(&self, size: usize) -> Vec<u8> {
        let mut spare = self.spare();
        let fitting = spare.buffers.iter().position(|bytes| bytes.capacity() == size);
        let Some(found) = fitting else {
            drop(spare);
            return Vec::with_capacity(size);
        };
        spare.bytes -= size;
        spare.buffers.swap_remove(found)
    }

    fn keep(&self, mut bytes: Vec<u8>) {
        let size = bytes.capacity();
        let mut spare = self.spare();
        if size > 0
            && spare.bytes + size <= self.limit / SPARE_SHARE
            && self.reserved() + spare.bytes + size <= self.limit
        {
            bytes.clear();
            spare.bytes += size;
            spare.buffers.push(bytes);
        }
    }

    fn spare(&self) -> MutexGuard<'_, Spare> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Makes room for `more` bytes behind those held; `false` where the budget
    /// has none.
    #[must_use]
    pub(crate) fn make_room(&mut self, more: usize) -> bool {
        if more <= self.room() {
            return true;
        }
        let memory = &self.share.memory;
        let size = memory.buffer_size(self.bytes.len().saturating_add(more));
        let missing = size - self.share.bytes;
        if !memory.reserve(missing) {
            return false;
        }
        self.share.bytes = size;
        // Moved at once, if it has to be moved: never are two there for long.
        self.bytes.reserve_exact(size - self.bytes.len());
        true
    }

    /// How many bytes can be appended without more memory.
    pub(crate) fn room(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    /// Appends `bytes`; `false` where the budget has no room for them.
    #[must_use]
    pub(crate) fn extend(&mut self, bytes: &[u8]) -> bool {
        let fits = self.make_room(bytes.len());
        if fits {
            self.bytes.extend_from_slice(bytes);
        }
        fits
    }

    /// Lets `append` append at most `more` bytes; `None` where the budget has no
    /// room for them.
    pub(crate) fn append<T>(
        &mut self,
        more: usize,
        append: impl FnOnce(&mut Vec<u8>) -> T,
    ) -> Option<T> {
        if !self.make_room(more) {
            return None;
        }
        let capacity = self.bytes.capacity();
        let result = append(&mut self.bytes);
        debug_assert_eq!(self.bytes.capacity(), capacity, "no more than was announced");
        Some(result)
    }

    /// Reads once, at most `limit` bytes and what there is room for; 0 at the
    /// end of `source`.
    pub(crate) async fn read(
        &mut self,
        source: &mut (impl AsyncRead + Unpin),
        limit: usize,
    ) -> io::Result<usize> {
        let limit = limit.min(self.room());
        debug_assert!(limit > 0, "to read nothing looks like the end");
        source.read_buf(&mut (&mut self.bytes).limit(limit)).await
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.reserved.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The share is given back before the buffer may be kept.
        let memory = Arc::clone(&self.share.memory);
        self.share = Share { memory: Arc::clone(&memory), bytes: 0 };
        memory.keep(std::mem::take(&mut self.bytes));
    }
}

impl Deref for Held {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1 << 10;

    #[test]
    fn the_budget_is_never_passed_and_always_given_back() {
        let memory = Memory::new(100 * KIB);
        let mut first = memory.hold(40 * KIB).unwrap();
        assert!(memory.hold(61 * KIB).is_none());
        assert!(first.extend(&vec![1; 80 * KIB]));
        assert!(!first.extend(&vec![2; 21 * KIB]));
        assert_eq!(first.len(), 80 * KIB);
        let second = memory.hold(20 * KIB).unwrap();
        assert_eq!(memory.reserved(), 100 * KIB);
        assert!(memory.hold_elsewhere(1).is_none());
        drop((first, second));
        assert_eq!(memory.reserved(), 0);
        assert!(memory.hold(100 * KIB).unwrap().is_empty());
    }

    #[test]
    fn any_size_within_the_budget_fits_and_growing_keeps_the_bytes() {
        let memory = Memory::new(100_000);
        let mut held = memory.hold(1).unwrap();
        let bytes: Vec<u8> = (0..=255).cycle().take(50_000).collect();
        for piece in bytes.chunks(777) {
            assert!(held.extend(piece));
            assert!(memory.reserved() >= held.len());
        }
        assert_eq!(*held, *bytes);
        drop(held);
        let mut held = memory.hold(1).unwrap();
        assert!(held.extend(&vec![1; 100_000]), "also after it has grown");
        drop(held);
        for size in (1..=100_000).step_by(997).chain([100_000]) {
            assert!(memory.could_hold(size) && memory.hold(size).is_some(), "{size}");
        }
    }

    #[test]
    fn buffers_are_used_again_within_the_budget() {
        let memory = Memory::new(64 * KIB);
        let place = |held: &Held| held.as_ptr();
        let first = memory.hold(9 * KIB).unwrap();
        let kept = place(&first);
        drop(first);
        assert_ne!(place(&memory.hold(3 * KIB).unwrap()), kept, "too large for so little");
        let again = memory.hold(10 * KIB).unwrap();
        assert_eq!((place(&again), again.len()), (kept, 0));
        let second = memory.hold(12 * KIB).unwrap();
        drop((again, second));
        assert!(memory.spare().bytes <= 16 * KIB, "a quarter of all");
        let all = memory.hold(60 * KIB).unwrap();
        assert_eq!(memory.spare().bytes, 0, "spare buffers make room");
        drop(all);
        memory.free_spare();
        assert!(memory.spare().buffers.is_empty());
    }

    #[tokio::test]
    async fn reading_stays_within_the_room() {
        let memory = Memory::new(64 * KIB);
        let mut held = memory.hold(4 * KIB).unwrap();
        let mut source = &[7; 9000][..];
        assert_eq!(held.read(&mut source, 10_000).await.unwrap(), 4 * KIB);
        assert_eq!(held.room(), 0);
        assert!(held.make_room(2000));
        assert_eq!(held.read(&mut source, 100).await.unwrap(), 100);
        assert_eq!(held.len(), 4 * KIB + 100);
    }
}
