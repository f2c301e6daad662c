//! How many requests all searches together may send.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::Requests;

/// Requests that searches may still send.
pub(super) struct Admission(Mutex<Left>);

struct Left {
    requests: f64,
    since: Instant,
}

/// The requests of one attempt; what it did not send is given back.
pub(super) struct Admitted<'a> {
    admission: &'a Admission,
    requests: &'a Requests,
}

/// Half of the 15,000 a minute that Azure takes for a rule: the other half is for
/// batches that are good.
const PER_SECOND: f64 = 125.0;
/// Some 30 searches may begin at once.
const MAX_LEFT: f64 = 2000.0;

impl Admission {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Left { requests: MAX_LEFT, since: Instant::now() }))
    }

    /// Takes the `requests` of an attempt, if so many are left.
    pub(super) fn admit<'a>(&'a self, requests: &'a Requests) -> Option<Admitted<'a>> {
        let now = Instant::now();
        let mut left = self.left();
        let passed = now.duration_since(left.since).as_secs_f64();
        left.requests = (left.requests + passed * PER_SECOND).min(MAX_LEFT);
        left.since = now;
        let before = requests.left();
        if left.requests < f64::from(before) {
            return None;
        }
        left.requests -= f64::from(before);
        Some(Admitted { admission: self, requests })
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.admission.left().requests += f64::from(self.requests.left());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn searches_send_no_more_than_azure_takes() {
        let admission = Admission::new();
        let mut sent = 0;
        for _ in 0..600 {
            for _ in 0..45 {
                let requests = Requests::new();
                if let Some(_admitted) = admission.admit(&requests) {
                    while requests.take() {
                        sent += 1;
                    }
                }
            }
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert!((8000..10_000).contains(&sent), "{sent} in a minute");
        tokio::time::advance(Duration::from_mins(1)).await;
        for _ in 0..1000 {
            assert!(admission.admit(&Requests::new()).is_some(), "what is not sent is given back");
        }
    }
}
