//! At most one line a minute for events that a client can cause at any rate.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The same cause shows again within a minute if it lasts.
const PAUSE: Duration = Duration::from_mins(1);

/// When the last line was written.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<Option<Instant>>);

impl LogLimit {
    /// Whether a line is due; it then counts as written.
    pub(crate) fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= PAUSE);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_is_due_once_a_minute() {
        let limit = LogLimit::default();
        assert!(limit.is_due());
        assert!(!limit.is_due());
        tokio::time::advance(PAUSE).await;
        assert!(limit.is_due());
    }
}
