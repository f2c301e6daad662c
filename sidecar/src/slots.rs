//! Connection slots: which connections are accepted, for what, and which one is closed
//! to make room.
//!
//! Only the pod itself may write: both ends of the socket must be loopback. The peer
//! alone proves nothing, because a service mesh delivers external traffic from a loopback
//! source.
//!
//! No client can keep others out by holding connections: when all slots of a kind are
//! taken, the longest idle connection is closed.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use contract::{AcceptFrom, Limits};
use tokio::{task::AbortHandle, time::Instant};

/// Which connections share a number of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Those that may write, up to `MAX_CONNECTIONS`.
    Writer,
    /// Those that may write beyond that limit: each is asked to retry.
    Overflow,
    /// Those that may not write: probes and scrapers from outside the pod.
    Reader,
}

/// Slots for readers, and for writers beyond the limit.
const EXTRA_SLOTS: usize = 64;

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// It waits for a request, or for the rest of a request's head.
    Waiting,
    /// A request is being served.
    Serving,
}

/// One connection's slot; free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    id: u64,
    table: Arc<Mutex<Table>>,
    /// The connection's other end.
    pub(crate) peer: SocketAddr,
    /// It may write: it is the pod's own, or anyone may.
    pub(crate) may_write: bool,
    /// All slots of writers are taken: its writes are answered 503.
    pub(crate) is_overflow: bool,
    /// How long it may stay without a request.
    pub(crate) idle_timeout: Duration,
}

/// All slots.
pub(crate) struct Slots {
    accept_from: AcceptFrom,
    limits: Limits,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    next_id: u64,
    taken: HashMap<u64, Taken>,
}

#[derive(Debug)]
struct Taken {
    kind: Kind,
    state: State,
    /// It has carried a request.
    served: bool,
    since: Instant,
    task: Option<AbortHandle>,
}

impl Slots {
    pub(crate) fn new(accept_from: AcceptFrom, limits: Limits) -> Self {
        Self { accept_from, limits, table: Arc::default() }
    }

    /// A slot for a connection between these addresses, and whether another one
    /// was closed to make room.
    pub(crate) fn take(&self, local: Option<SocketAddr>, peer: SocketAddr) -> (Slot, bool) {
        let may_write = self.accept_from == AcceptFrom::Any
            || (is_loopback(peer) && local.is_some_and(is_loopback));
        let mut table = lock(&self.table);
        let (kind, closed_another) = if may_write {
            self.place_writer(&mut table)
        } else {
            let full = table.count(Kind::Reader) >= EXTRA_SLOTS;
            (Kind::Reader, full && table.evict(Kind::Reader, State::Serving))
        };
        let id = table.next_id;
        table.next_id += 1;
        let since = Instant::now();
        let taken = Taken { kind, state: State::Waiting, served: false, since, task: None };
        table.taken.insert(id, taken);
        drop(table);
        let short = self.limits.header_timeout;
        let slot = Slot {
            id,
            table: Arc::clone(&self.table),
            peer,
            may_write,
            is_overflow: kind == Kind::Overflow,
            idle_timeout: if kind == Kind::Writer { self.limits.idle_timeout } else { short },
        };
        (slot, closed_another)
    }

    /// A request of a writer that is being served is never given up for another.
    fn place_writer(&self, table: &mut Table) -> (Kind, bool) {
        let most = usize::try_from(self.limits.max_connections).unwrap_or(usize::MAX);
        if table.count(Kind::Writer) < most {
            return (Kind::Writer, false);
        }
        if table.evict(Kind::Writer, State::Waiting) {
            return (Kind::Writer, true);
        }
        let full = table.count(Kind::Overflow) >= EXTRA_SLOTS;
        (Kind::Overflow, full && table.evict(Kind::Overflow, State::Serving))
    }

    /// Names the task that serves a slot's connection: it is aborted where the
    /// connection has to make room.
    pub(crate) fn assign(&self, id: u64, task: AbortHandle) {
        if let Some(taken) = lock(&self.table).taken.get_mut(&id) {
            taken.task = Some(task);
        }
    }

    /// Closes one connection of any kind that waits for a request: the process
    /// may have no more open files.
    pub(crate) fn make_room(&self) -> bool {
        let mut table = lock(&self.table);
        [Kind::Overflow, Kind::Reader, Kind::Writer]
            .into_iter()
            .any(|kind| table.evict(kind, State::Waiting))
    }
}

impl Table {
    fn count(&self, kind: Kind) -> usize {
        self.taken.values().filter(|taken| taken.kind == kind).count()
    }

    /// Closes the connection of this kind that has been in its state for longest,
    /// if one is in a state up to `most`; first one that waits, and among these
    /// one that never sent a request.
    fn evict(&mut self, kind: Kind, most: State) -> bool {
        let candidates =
            self.taken.iter().filter(|(_, taken)| taken.kind == kind && taken.state <= most);
        let first = candidates.min_by_key(|(_, taken)| (taken.state, taken.served, taken.since));
        let Some(id) = first.map(|(id, _)| *id) else { return false };
        if let Some(task) = self.taken.remove(&id).and_then(|taken| taken.task) {
            task.abort();
        }
        true
    }
}

impl Slot {
    /// What [`Slots::assign`] knows it by.
    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    /// A request's head is complete.
    pub(crate) fn serving(&self) {
        self.enter(State::Serving);
    }

    /// The next request may come.
    pub(crate) fn waiting(&self) {
        self.enter(State::Waiting);
    }

    fn enter(&self, state: State) {
        if let Some(taken) = lock(&self.table).taken.get_mut(&self.id) {
            taken.state = state;
            taken.since = Instant::now();
            taken.served = true;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.table).taken.remove(&self.id);
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Also for an IPv4 address that a dual-stack socket shows as IPv6.
fn is_loopback(address: SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.is_loopback(),
            None => address.is_loopback(),
        },
    }
}
