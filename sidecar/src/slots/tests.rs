use std::future::pending;

use tokio::task::{JoinHandle, yield_now};

use super::*;

fn address(text: &str) -> SocketAddr {
    SocketAddr::new(text.parse().unwrap(), 1)
}

/// A connection of the pod itself, and one from elsewhere.
const OWN: &str = "127.0.0.1";
const FOREIGN: &str = "10.0.0.1";

/// Slots, and connections in them that are tasks without end.
struct Server {
    slots: Slots,
}

struct Open {
    id: u64,
    is_overflow: bool,
    closed_another: bool,
    task: JoinHandle<()>,
}

impl Server {
    fn new(accept_from: AcceptFrom, max_connections: u32) -> Self {
        let limits = Limits { max_connections, ..Limits::default() };
        Self { slots: Slots::new(accept_from, limits) }
    }

    /// A connection from `peer`, in `state`; a millisecond later than the last.
    async fn open(&self, peer: &str, state: State) -> Open {
        tokio::time::advance(Duration::from_millis(1)).await;
        let (slot, closed_another) = self.slots.take(Some(address(peer)), address(peer));
        if state == State::Serving {
            slot.serving();
        }
        let (id, is_overflow) = (slot.id(), slot.is_overflow);
        let task = tokio::spawn(async move {
            let _slot = slot;
            pending::<()>().await;
        });
        self.slots.assign(id, task.abort_handle());
        yield_now().await;
        Open { id, is_overflow, closed_another, task }
    }

    async fn open_many(&self, count: usize, peer: &str, state: State) -> Vec<Open> {
        let mut opened = Vec::new();
        for _ in 0..count {
            opened.push(self.open(peer, state).await);
        }
        opened
    }

    fn count(&self) -> usize {
        lock(&self.slots.table).taken.len()
    }
}

#[test]
fn both_ends_must_be_the_pods_own() {
    let may_write = |accept_from, local: Option<&str>, peer: &str| {
        let slots = Slots::new(accept_from, Limits::default());
        slots.take(local.map(address), address(peer)).0.may_write
    };
    let loopback = AcceptFrom::Loopback;
    assert!(may_write(loopback, Some(OWN), OWN));
    assert!(may_write(loopback, Some("::1"), "::1"));
    assert!(!may_write(loopback, Some(FOREIGN), OWN), "delivered by a mesh");
    assert!(!may_write(loopback, Some(OWN), FOREIGN));
    assert!(!may_write(loopback, None, OWN));
    assert!(may_write(AcceptFrom::Any, None, FOREIGN));
}

#[tokio::test(start_paused = true)]
async fn silent_connections_make_room_for_others_in_any_number() {
    for (accept_from, peer, most) in [
        (AcceptFrom::Loopback, FOREIGN, EXTRA_SLOTS),
        (AcceptFrom::Loopback, OWN, 7),
        (AcceptFrom::Any, FOREIGN, 7),
    ] {
        for count in [0, 1, most - 1, most, most + 1, 10 * most] {
            let server = Server::new(accept_from, 7);
            let silent = server.open_many(count, peer, State::Waiting).await;
            let newest = server.open(peer, State::Waiting).await;
            assert!(!newest.is_overflow && !newest.task.is_finished());
            assert_eq!(newest.closed_another, count >= most, "{count} of {most}");
            assert!(server.count() <= most, "{}", server.count());
            let closed = silent.iter().filter(|open| open.task.is_finished()).count();
            assert_eq!(closed, (count + 1).saturating_sub(most));
            assert!(silent[..closed].iter().all(|open| open.task.is_finished()), "the oldest");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_wrote_outlive_silent_ones() {
    let server = Server::new(AcceptFrom::Loopback, 2);
    let kept = server.open(OWN, State::Serving).await;
    lock(&server.slots.table).taken.get_mut(&kept.id).unwrap().state = State::Waiting;
    let silent = server.open(OWN, State::Waiting).await;
    let third = server.open(OWN, State::Waiting).await;
    assert!(silent.task.is_finished() && !kept.task.is_finished() && !third.task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_served_is_never_given_up() {
    let server = Server::new(AcceptFrom::Loopback, 2);
    let writers = server.open_many(2, OWN, State::Serving).await;
    let beyond = server.open_many(3 * EXTRA_SLOTS, OWN, State::Serving).await;
    assert!(writers.iter().all(|open| !open.task.is_finished() && !open.is_overflow));
    assert!(beyond.iter().all(|open| open.is_overflow));
    assert_eq!(beyond.iter().filter(|open| !open.task.is_finished()).count(), EXTRA_SLOTS);
    let probe = server.open(FOREIGN, State::Serving).await;
    assert!(!probe.closed_another, "readers have slots of their own");
    writers[0].task.abort();
    yield_now().await;
    assert!(!server.open(OWN, State::Waiting).await.is_overflow);
}

#[tokio::test(start_paused = true)]
async fn without_open_files_a_waiting_connection_is_closed() {
    let server = Server::new(AcceptFrom::Loopback, 7);
    let serving = server.open(OWN, State::Serving).await;
    assert!(!server.slots.make_room());
    let waiting = server.open(OWN, State::Waiting).await;
    assert!(server.slots.make_room());
    yield_now().await;
    assert!(waiting.task.is_finished() && !serving.task.is_finished());
}

#[test]
fn loopback_in_every_notation() {
    for loopback in [OWN, "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
        assert!(is_loopback(address(loopback)), "{loopback}");
    }
    for foreign in [FOREIGN, "::ffff:10.0.0.1", "fe80::1", "0.0.0.0", "::"] {
        assert!(!is_loopback(address(foreign)), "{foreign}");
    }
}
