//! Who may open a connection now.
//!
//! A TLS handshake takes a millisecond of the one thread that serves all destinations. When
//! the requests of a thousand senders time out together and dial again, the requests of
//! other destinations would wait for a second; so few dial at once.

use std::time::Duration;

use tokio::{sync::Semaphore, time::timeout};

/// So many dial at once: other requests then wait for some milliseconds at most, and with
/// the usual 50 ms for a connection 200 senders are connected within 1.3 s.
const MAX_DIALING: usize = 8;
/// Who is not connected after this long waits for the peer, which costs nothing, and gives
/// its turn to the next: a peer that hangs does not keep the others from finding out that it
/// answers again.
const TURN: Duration = Duration::from_millis(250);

/// The senders to one destination that open a connection.
pub(super) struct Dialing(Semaphore);

impl Dialing {
    pub(super) const fn new() -> Self {
        Self(Semaphore::const_new(MAX_DIALING))
    }

    /// Waits for a turn, then dials.
    pub(super) async fn in_turn<T>(&self, mut dial: impl Future<Output = T> + Unpin) -> T {
        let turn = self.0.acquire().await;
        if let Ok(dialed) = timeout(TURN, &mut dial).await {
            return dialed;
        }
        drop(turn);
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
            dialing.in_turn(Box::pin(dial)).await;
            u64::try_from(begun.elapsed().as_millis()).unwrap()
        });
        futures_util::future::join_all(dials).await
    }

    #[tokio::test(start_paused = true)]
    async fn eight_dial_at_once() {
        let expected = [[100; MAX_DIALING], [200; MAX_DIALING]].concat();
        assert_eq!(ends(&[100; 2 * MAX_DIALING]).await, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_hangs_delays_the_next_by_a_turn() {
        let mut takes = [10_000; 3 * MAX_DIALING].to_vec();
        takes.push(20);
        assert_eq!(ends(&takes).await.pop(), Some(3 * 250 + 20));
    }
}
