//! When to stop after SIGTERM.
//!
//! In an ordinary container, Prometheus gets SIGTERM at the same time and
//! then flushes unsent samples for up to a minute:
//! <https://github.com/prometheus/prometheus/blob/main/storage/remote/queue_manager.go>.
//! It has finished when its connections are closed, so those that carried a write
//! are counted; those of a scraper or a probe prove nothing. Other senders open a
//! connection for each write, so a moment without one proves nothing, and some time
//! has to pass. A native sidecar gets SIGTERM after all other containers have exited.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tracing::info;

/// The connections that carried a write.
#[derive(Clone)]
pub(crate) struct Writers {
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, Default)]
struct State {
    open: usize,
    last_closed: Option<Instant>,
}

/// One connection that carried a write; dropped when it closes.
pub(crate) struct Writer {
    state: Arc<watch::Sender<State>>,
}

/// Twice Prometheus' `batch_send_deadline`: a sender with samples that opens a
/// connection for each write has opened another by then.
const QUIET: Duration = Duration::from_secs(10);

impl Writers {
    pub(crate) fn new() -> Self {
        Self { state: Arc::new(watch::channel(State::default()).0) }
    }

    /// Counts a connection, until what is returned is dropped.
    pub(crate) fn add(&self) -> Writer {
        self.state.send_modify(|state| state.open += 1);
        Writer { state: Arc::clone(&self.state) }
    }

    /// Waits until no one writes any more, at most for `limit`: until no connection that
    /// carried a write is open and, unless all senders are known to have exited, none has
    /// been for a while.
    pub(crate) async fn drained(&self, senders_exited: bool, limit: Duration) {
        let open = self.state.borrow().open;
        let quiet = if senders_exited { Duration::ZERO } else { QUIET };
        info!(
            open,
            quiet_seconds = quiet.as_secs(),
            limit_seconds = limit.as_secs(),
            "shutting down: waiting for clients to disconnect"
        );
        if timeout(limit, self.quiet(quiet)).await.is_ok() {
            info!("stopped: all clients have disconnected");
        } else {
            info!(open = self.state.borrow().open, "stopped: SHUTDOWN_TIMEOUT reached");
        }
    }

    async fn quiet(&self, quiet: Duration) {
        let asked = Instant::now();
        let mut changes = self.state.subscribe();
        loop {
            // The sender lives as long as `self`, so neither wait can fail.
            let _ = changes.wait_for(|state| state.open == 0).await;
            let closed = changes.borrow_and_update().last_closed.unwrap_or(asked);
            tokio::select! {
                () = sleep_until(closed.max(asked) + quiet) => return,
                _ = changes.changed() => {}
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.state.send_modify(|state| {
            state.open -= 1;
            state.last_closed = Some(Instant::now());
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(90);

    async fn time_of(writers: &Writers, senders_exited: bool) -> Duration {
        let begun = Instant::now();
        writers.drained(senders_exited, LIMIT).await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_native_sidecar_stops_once_nothing_is_open() {
        let writers = Writers::new();
        assert_eq!(time_of(&writers, true).await, Duration::ZERO);
        drop(writers.add());
        assert_eq!(time_of(&writers, true).await, Duration::ZERO);
        let open = writers.add();
        tokio::spawn(async move {
            sleep(Duration::from_secs(3)).await;
            drop(open);
        });
        assert_eq!(time_of(&writers, true).await, Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_wrote_or_may_write_get_time_to_do_so() {
        let writers = Writers::new();
        assert_eq!(time_of(&writers, false).await, QUIET);
        drop(writers.add());
        sleep(Duration::from_secs(60)).await;
        assert_eq!(time_of(&writers, false).await, QUIET, "its last batch comes after the signal");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_for_each_write_is_served_as_long_as_they_come() {
        let writers = Writers::new();
        let sender = writers.clone();
        tokio::spawn(async move {
            for _ in 0..5 {
                sleep(Duration::from_secs(6)).await;
                drop(sender.add());
            }
        });
        assert_eq!(time_of(&writers, false).await, Duration::from_secs(30) + QUIET);
    }

    #[tokio::test(start_paused = true)]
    async fn serves_until_ten_seconds_after_the_last_writer() {
        let writers = Writers::new();
        let first = writers.add();
        let later = writers.clone();
        tokio::spawn(async move {
            sleep(Duration::from_secs(20)).await;
            drop(first);
            sleep(Duration::from_secs(5)).await;
            let second = later.add();
            sleep(Duration::from_secs(5)).await;
            drop(second);
        });
        assert_eq!(time_of(&writers, false).await, Duration::from_secs(40));
    }

    #[tokio::test(start_paused = true)]
    async fn but_not_for_ever() {
        for senders_exited in [true, false] {
            let writers = Writers::new();
            let _open = writers.add();
            assert_eq!(time_of(&writers, senders_exited).await, LIMIT);
        }
    }
}
