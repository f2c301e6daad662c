//! The wall clock, which a test may turn forward.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A clock whose clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// How far it goes before the system's, in seconds.
    ahead: Arc<AtomicU64>,
}

impl Clock {
    /// The time it shows.
    pub fn now(&self) -> SystemTime {
        system_time() + Duration::from_secs(self.ahead.load(Ordering::Relaxed))
    }

    /// The time it shows, in whole seconds since 1970.
    pub fn seconds(&self) -> u64 {
        since_epoch(self.now()).as_secs()
    }

    /// Turns it forward by whole seconds.
    pub fn advance(&self, by: Duration) {
        self.ahead.fetch_add(by.as_secs(), Ordering::Relaxed);
    }
}

/// The time since 1970; none before it.
pub fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a harness lives at the edge, and reads the clock here"
)]
fn system_time() -> SystemTime {
    SystemTime::now()
}
