//! Whole batches against an endpoint that refuses, is slow, and fails in between:
//! attempt after attempt, as a sender makes them, in virtual time.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "numbers of samples are some thousands"
)]

mod endpoint;
mod few_good;
mod interrupted;
mod message;
mod search;
mod settings;
mod shapes;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use proptest::prelude::*;
use tokio::time::{Instant, sleep};

use self::{
    endpoint::{Endpoint, Fault, check_stored, received},
    message::{Exemplar, Label, NOW_MILLIS, batch, encoded, series},
};
use super::{Batch, Deliver, Requests, Rescue, Rescued, ledger::Ledger};
use crate::{
    http1::Message,
    memory::Memory,
    metrics::Exposition,
    upstream::{Failure, Received},
};

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000)
}

/// As `UPSTREAM_TIMEOUT`.
const TIMEOUT: Duration = Duration::from_secs(25);

struct Sender {
    rescue: Rescue,
    exposition: Exposition,
    memory: Arc<Memory>,
}

/// How a batch ended.
#[derive(Debug)]
struct Ended {
    status: u16,
    attempts: usize,
    /// The most requests of one attempt.
    most_requests: usize,
    text: String,
}

impl Sender {
    fn new() -> Self {
        Self::with_seed(0)
    }

    /// Which series are witnesses depends on the seed.
    fn with_seed(seed: u64) -> Self {
        let exposition = Exposition::new("", "", "");
        let metrics = Arc::new(exposition.destination(""));
        let memory = Memory::new(32 << 20);
        let ledger = Ledger::with_key(&seed.to_le_bytes(), 1);
        let rescue = Rescue::with_ledger(Arc::clone(&memory), metrics, now, ledger, 1);
        Self { rescue, exposition, memory }
    }

    /// One attempt, as the forwarder makes it.
    async fn attempt(&self, endpoint: &Endpoint, body: &[u8]) -> Rescued {
        let deadline = Instant::now() + TIMEOUT;
        let requests = &Requests::new();
        let batch = Batch { message: Message::V1, body, deadline, requests };
        let deliver: &Deliver<'_> = &|piece| {
            Box::pin(async move {
                match endpoint.answer_before(deadline, &piece).await {
                    // With another token.
                    Ok(Received { status: 401, .. }) if requests.take() => {
                        endpoint.answer_before(deadline, &piece).await
                    }
                    answer => answer,
                }
            })
        };
        if let Some(rescued) = self.rescue.resume(&batch, deliver).await {
            return rescued;
        }
        let begun = Instant::now();
        requests.take();
        let result = deliver(body.to_vec()).await;
        self.rescue.answered(&batch, result, begun.elapsed(), deliver).await
    }

    /// Sends a batch until the answer is final, as Prometheus does.
    async fn send(&self, endpoint: &Endpoint, body: &[u8]) -> Ended {
        let mut most_requests = 0;
        for attempts in 1..=200 {
            let before = endpoint.seen.lock().unwrap().requests;
            let begun = Instant::now();
            let rescued = self.attempt(endpoint, body).await;
            assert!(begun.elapsed() <= TIMEOUT, "attempt {attempts} took {:?}", begun.elapsed());
            let requests = endpoint.seen.lock().unwrap().requests - before;
            most_requests = most_requests.max(requests);
            assert_eq!(self.memory.reserved(), 0);
            match rescued {
                Rescued::Answered(Ok(received))
                    if matches!(received.status, 200..=299 | 400 | 413) =>
                {
                    let text = String::from_utf8(received.body).unwrap();
                    return Ended { status: received.status, attempts, most_requests, text };
                }
                Rescued::Settled { received, .. } => {
                    let text = String::from_utf8(received.body).unwrap();
                    return Ended { status: received.status, attempts, most_requests, text };
                }
                Rescued::Metadata(_) => panic!("there were series"),
                // As long as the answer asks for.
                Rescued::AboutRequest(_) => sleep(Duration::from_secs(5)).await,
                Rescued::Unfinished { is_waiting: true, .. } => sleep(Duration::from_secs(2)).await,
                _ => sleep(Duration::from_secs(1)).await,
            }
        }
        panic!("no end");
    }

    fn count(&self, name: &str) -> u64 {
        let text = self.exposition.text().unwrap();
        let lines =
            text.lines().filter(|line| line.starts_with(&format!("prom_remotewrite_{name}")));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    }
}

/// Something is sent after an answer, or before it.
const QUICK: Duration = Duration::from_millis(1);
const SLOW: Duration = Duration::from_secs(2);
/// Each search is made with so many choices of witnesses.
const SEEDS: u64 = 2;
