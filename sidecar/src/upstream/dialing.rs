//! Who may open a connection now.
//!
//! A TLS handshake takes a millisecond of the one thread that serves all destinations. When
//! the requests of a thousand senders time out together and dial again, the requests of
//! other destinations would wait for a second; so few dial at once.

use std::time::Duration;

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

/// So many dial at once: other requests then wait for some milliseconds at most.
const MAX_DIALING: usize = 8;
/// Who is not connected after this long waits for the peer, which costs nothing, and gives
/// its turn to the next: 160 a second begin however slow the peer is, and if it hangs, the
/// others find out that it answers again. 200 senders begin within 1.3 s.
const TURN: Duration = Duration::from_millis(50);

/// The senders to one destination that open a connection.
pub(super) struct Dialing(Semaphore);

/// A turn to open a connection.
pub(super) struct Turn<'a> {
    _permit: Option<SemaphorePermit<'a>>,
}

impl Dialing {
    pub(super) const fn new() -> Self {
        Self(Semaphore::const_new(MAX_DIALING))
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Turn<'_> {
        // It is never closed.
        Turn { _permit: self.0.acquire().await.ok() }
    }
}

impl Turn<'_> {
    /// Dials, and is one of those that do for [`TURN`] at most.
    pub(super) async fn dial<T>(self, mut dial: impl Future<Output = T> + Unpin) -> T {
        if let Ok(dialed) = timeout(TURN, &mut dial).await {
            return dialed;
        }
        drop(self);
        dial.await
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    /// When each dial ended that takes as long as `takes` says, in milliseconds.
    async fn ends(takes: &[u64]) -> Vec<u64> {
        let dialing = Dialing::new();
        let begun = Instant::now();
        let dials = takes.iter().map(async |millis| {
            let dial = async { sleep(Duration::from_millis(*millis)).await };
            dialing.turn().await.dial(Box::pin(dial)).await;
            u64::try_from(begun.elapsed().as_millis()).unwrap()
        });
        futures_util::future::join_all(dials).await
    }

    #[tokio::test(start_paused = true)]
    async fn eight_dial_at_once() {
        let expected = [[10; MAX_DIALING], [20; MAX_DIALING]].concat();
        assert_eq!(ends(&[10; 2 * MAX_DIALING]).await, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_hangs_delays_the_next_by_a_turn() {
        let mut takes = [10_000; 3 * MAX_DIALING].to_vec();
        takes.push(20);
        assert_eq!(ends(&takes).await.pop(), Some(3 * 50 + 20));
    }
}
