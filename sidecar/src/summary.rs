//! The line that Microsoft's image writes once a minute, with its keys, so that runbooks
//! made for it keep working.
//!
//! <https://learn.microsoft.com/azure/azure-monitor/containers/prometheus-remote-write#verify-remote-write-is-working-correctly>

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use tracing::info;

/// Events since the last line.
#[derive(Default)]
pub(crate) struct Summary {
    bytes: AtomicU64,
    microseconds: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    /// A write has arrived since the start.
    written: AtomicBool,
    /// Azure accepted the last request.
    accepted: AtomicBool,
}

impl Summary {
    /// A request has been answered.
    pub(crate) fn add(&self, status: u16, bytes: usize, took: Duration) {
        self.written.store(true, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
        let counter = if (200..300).contains(&status) { &self.succeeded } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Azure refused, or could not be reached.
    pub(crate) fn troubled(&self) {
        self.accepted.store(false, Ordering::Relaxed);
    }

    /// Whether that Azure accepts is news.
    pub(crate) fn is_troubled(&self) -> bool {
        !self.accepted.load(Ordering::Relaxed)
    }

    /// Azure accepted.
    pub(crate) fn recovered(&self) {
        self.accepted.store(true, Ordering::Relaxed);
    }

    /// Whether a write has arrived since the start.
    pub(crate) fn has_written(&self) -> bool {
        self.written.load(Ordering::Relaxed)
    }

    /// Writes the line and begins again.
    #[expect(clippy::cast_precision_loss, reason = "an average is shown, not counted with")]
    pub(crate) fn log(&self, destination: Option<&str>) {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        let (succeeded, failed) = (take(&self.succeeded), take(&self.failed));
        let (bytes, microseconds) = (take(&self.bytes), take(&self.microseconds));
        let requests = (succeeded + failed).max(1);
        let bytes_per_request = bytes / requests;
        let seconds = microseconds as f64 / requests as f64 / 1e6;
        let seconds = format!("{seconds:.3}");
        info!(
            destination,
            avgBytesPerRequest = bytes_per_request,
            avgRequestDurationInSec = %seconds,
            failedPublishing = failed,
            successfullyPublished = succeeded,
            "Metric packets published in last 1 minute"
        );
    }
}
