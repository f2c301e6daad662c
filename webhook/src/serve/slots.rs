//! Slots for connections: a limited number; a new connection replaces the least recently
//! used one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// The slots of a listener.
pub(super) struct Slots {
    limit: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next_id: u64,
    by_id: BTreeMap<u64, Arc<Usage>>,
}

/// The state of one connection.
struct Usage {
    state: Mutex<State>,
    displaced: Notify,
}

struct State {
    /// Requests that are being answered.
    answering: usize,
    /// When the last answer was complete; before the first one, when the connection was
    /// opened. A request that only arrives, slowly, does not count: otherwise anyone who
    /// never completes one could keep a slot.
    used: Instant,
}

impl Slots {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, taken: Mutex::default() })
    }

    /// A slot, and whether another connection has to make room for it.
    pub(super) fn take(self: &Arc<Self>) -> (Slot, bool) {
        let state = State { answering: 0, used: Instant::now() };
        let usage = Arc::new(Usage { state: Mutex::new(state), displaced: Notify::new() });
        let mut taken = lock(&self.taken);
        let displaces = taken.by_id.len() >= self.limit && taken.displace_longest_unused();
        let id = taken.next_id;
        taken.next_id += 1;
        taken.by_id.insert(id, usage.clone());
        (Slot { slots: self.clone(), id, usage }, displaces)
    }
}

impl Taken {
    fn displace_longest_unused(&mut self) -> bool {
        let longest = self.by_id.iter().min_by_key(|(_, usage)| lock(&usage.state).used);
        let Some(id) = longest.map(|(id, _)| *id) else { return false };
        if let Some(usage) = self.by_id.remove(&id) {
            usage.displaced.notify_one();
        }
        true
    }
}

/// A connection's slot. Dropped, it is free.
pub(super) struct Slot {
    slots: Arc<Slots>,
    id: u64,
    usage: Arc<Usage>,
}

impl Slot {
    /// Waits until the connection has to make room for another one.
    pub(super) async fn displaced(&self) {
        self.usage.displaced.notified().await;
    }

    /// Waits until the connection has answered nothing for `limit`.
    pub(super) async fn idle(&self, limit: Duration) {
        loop {
            let (answering, used) = {
                let state = lock(&self.usage.state);
                (state.answering > 0, state.used)
            };
            let now = Instant::now();
            let end = if answering { now + limit } else { used + limit };
            if end <= now {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }

    /// A request is being answered for as long as the returned guard exists.
    pub(super) fn answering(&self) -> Answering {
        lock(&self.usage.state).answering += 1;
        Answering(self.usage.clone())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.slots.taken).by_id.remove(&self.id);
    }
}

/// A request that is being answered.
pub(super) struct Answering(Arc<Usage>);

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.answering -= 1;
        state.used = Instant::now();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn later() {
        tokio::time::advance(Duration::from_secs(1)).await;
    }

    async fn is_displaced(slot: &Slot) -> bool {
        tokio::time::timeout(Duration::ZERO, slot.displaced()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_unused_makes_room() {
        let slots = Slots::new(3);
        let mut three = Vec::new();
        for _ in 0..3 {
            let (slot, displaces) = slots.take();
            assert!(!displaces);
            three.push(slot);
            later().await;
        }
        drop(three[0].answering());
        // A request that never completes does not count as use.
        let _endless = three[1].answering();
        later().await;
        let (fourth, displaces) = slots.take();
        assert!(displaces);
        assert!(is_displaced(&three[1]).await);
        assert!(!is_displaced(&three[0]).await && !is_displaced(&three[2]).await);
        // A slot that was displaced is free only once.
        drop(three.remove(1));
        assert!(slots.take().1);
        drop(fourth);
        assert!(!slots.take().1);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_begins_with_the_last_answer() {
        let limit = Duration::from_mins(1);
        let (slot, _) = Slots::new(1).take();
        let start = Instant::now();
        let request = async {
            tokio::time::sleep(Duration::from_secs(50)).await;
            let answering = slot.answering();
            tokio::time::sleep(Duration::from_secs(25)).await;
            drop(answering);
        };
        tokio::join!(slot.idle(limit), request);
        assert!(start.elapsed() >= Duration::from_secs(50 + 25 + 60), "{:?}", start.elapsed());
        assert!(start.elapsed() < Duration::from_secs(50 + 25 + 61 + 60));
    }
}
