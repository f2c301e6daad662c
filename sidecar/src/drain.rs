//! When it is time to end, after the signal to end.
//!
//! Prometheus is told to end at the same time, or before (beside a native
//! sidecar), and then flushes for up to a minute what it has not sent yet:
//! <https://github.com/prometheus/prometheus/blob/main/storage/remote/queue_manager.go>.
//! It is done when its connections are closed, so those that carried a write
//! are counted; a scraper's or a probe's say nothing.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
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
    /// One has been open and was closed by its client since.
    seen_to_close: bool,
}

/// One connection that carried a write; dropped when it closes.
pub(crate) struct Writer {
    state: Arc<watch::Sender<State>>,
    /// It was we who closed it, so whoever wrote is still there.
    sent_away: bool,
}

/// After the last connection closed: a sender that found its connection closed
/// by an idle time opens another at once.
const QUIET: Duration = Duration::from_secs(10);

impl Writers {
    pub(crate) fn new() -> Self {
        Self { state: Arc::new(watch::channel(State::default()).0) }
    }

    /// Counts a connection, until what is returned is dropped.
    pub(crate) fn add(&self) -> Writer {
        self.state.send_modify(|state| state.open += 1);
        Writer { state: Arc::clone(&self.state), sent_away: false }
    }

    /// Waits until nobody writes any more, at most for `limit`.
    pub(crate) async fn drained(&self, limit: Duration) {
        let State { open, seen_to_close } = *self.state.borrow();
        if open == 0 && seen_to_close {
            info!("ending: whoever wrote has gone");
            return;
        }
        info!(open, limit_seconds = limit.as_secs(), "ending once nobody writes any more");
        if timeout(limit, self.quiet()).await.is_err() {
            info!(open = self.state.borrow().open, "ending: the time is over");
        }
    }

    async fn quiet(&self) {
        let mut changes = self.state.subscribe();
        loop {
            // The sender lives as long as `self`, so neither wait can fail.
            let _ = changes.wait_for(|state| state.open == 0).await;
            tokio::select! {
                () = sleep(QUIET) => return,
                _ = changes.wait_for(|state| state.open > 0) => {}
            }
        }
    }
}

impl Writer {
    /// The connection closes because we want it to.
    pub(crate) fn sent_away(&mut self) {
        self.sent_away = true;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.state.send_modify(|state| {
            state.open -= 1;
            state.seen_to_close = !self.sent_away;
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(90);

    async fn time_of(writers: &Writers) -> Duration {
        let begun = Instant::now();
        writers.drained(LIMIT).await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn beside_a_native_sidecar_prometheus_has_gone_already() {
        let writers = Writers::new();
        drop(writers.add());
        assert_eq!(time_of(&writers).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_was_sent_away_may_come_again() {
        let writers = Writers::new();
        drop(writers.add());
        writers.add().sent_away();
        assert_eq!(time_of(&writers).await, QUIET);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_write_so_far_one_may_still_come() {
        assert_eq!(time_of(&Writers::new()).await, QUIET);
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
        assert_eq!(time_of(&writers).await, Duration::from_secs(40));
    }

    #[tokio::test(start_paused = true)]
    async fn but_not_for_ever() {
        let writers = Writers::new();
        let _open = writers.add();
        assert_eq!(time_of(&writers).await, LIMIT);
    }
}
