//! Whole batches against an endpoint that refuses, is slow, and fails in between:
//! attempt after attempt, as a sender makes them, in virtual time.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "numbers of samples are some thousands"
)]

mod search;
mod settings;
mod shapes;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use proptest::prelude::*;
use prost::Message as _;
use tokio::time::{Instant, sleep};

use super::{Batch, Deliver, Requests, Rescue, Rescued, ledger::Ledger};
use crate::{
    http1::Message,
    memory::Memory,
    metrics::Exposition,
    upstream::{Failure, Received},
};

#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Series {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    exemplars: Vec<Exemplar>,
}

/// The value is the exemplar's number, among those of samples.
#[derive(Clone, PartialEq, prost::Message)]
struct Exemplar {
    #[prost(double, tag = "2")]
    value: f64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// The value is the sample's number.
#[derive(Clone, PartialEq, prost::Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// A request, as far as the endpoint looks at it: to decode the labels as well would take
/// most of the tests' time.
#[derive(Clone, PartialEq, prost::Message)]
struct Arrived {
    #[prost(message, repeated, tag = "1")]
    series: Vec<ArrivedSeries>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ArrivedSeries {
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    exemplars: Vec<Exemplar>,
}

/// What happens to a request instead of the ordinary work.
#[derive(Clone, Debug)]
enum Fault {
    Status(u16),
    Hangs,
    Breaks,
}

struct Endpoint {
    /// Numbers of samples.
    bad: BTreeSet<usize>,
    refusal: Vec<u8>,
    status: u16,
    latency: Duration,
    /// By the request's number, from the batch itself on.
    faults: BTreeMap<usize, Fault>,
    /// From then on, everything is refused for so long, and nothing for as long, in turn.
    flaps: Option<(Instant, Duration)>,
    max_bytes: usize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    stored: BTreeMap<usize, usize>,
    requests: usize,
}

impl Endpoint {
    fn new(bad: impl IntoIterator<Item = usize>) -> Self {
        Self {
            bad: bad.into_iter().collect(),
            refusal: b"the batch cannot be stored".to_vec(),
            status: 400,
            latency: QUICK,
            faults: BTreeMap::new(),
            flaps: None,
            max_bytes: 1 << 20,
            seen: Mutex::default(),
        }
    }

    async fn answer_before(&self, deadline: Instant, body: &[u8]) -> Result<Received, Failure> {
        let answer = tokio::time::timeout_at(deadline, self.answer(body)).await;
        answer.unwrap_or(Err(Failure::Timeout))
    }

    async fn answer(&self, body: &[u8]) -> Result<Received, Failure> {
        let number = {
            let mut seen = self.seen.lock().unwrap();
            seen.requests += 1;
            seen.requests
        };
        sleep(self.latency).await;
        match self.faults.get(&number) {
            None => {}
            Some(Fault::Status(status)) => return Ok(received(*status, b"trouble")),
            Some(Fault::Breaks) => {
                return Err(Failure::Broken(std::io::ErrorKind::ConnectionReset.into()));
            }
            Some(Fault::Hangs) => {
                sleep(Duration::from_secs(3600)).await;
            }
        }
        let is_wrong = |(since, lasting): (Instant, Duration)| {
            since.elapsed().as_millis() / lasting.as_millis() % 2 == 1
        };
        if self.flaps.is_some_and(is_wrong) {
            return Ok(received(400, b"trouble"));
        }
        if body.len() > self.max_bytes {
            return Ok(received(413, b"too large"));
        }
        let raw = snap::raw::Decoder::new().decompress_vec(body).unwrap();
        let request = Arrived::decode(raw.as_slice()).unwrap();
        let numbers = request.series.iter().flat_map(|series| {
            let samples = series.samples.iter().map(|sample| sample.value as usize);
            samples.chain(series.exemplars.iter().map(|exemplar| exemplar.value as usize))
        });
        let numbers: Vec<usize> = numbers.collect();
        if numbers.iter().any(|number| self.bad.contains(number)) {
            return Ok(received(self.status, &self.refusal));
        }
        let mut seen = self.seen.lock().unwrap();
        for number in numbers {
            *seen.stored.entry(number).or_default() += 1;
        }
        Ok(received(204, b""))
    }
}

fn received(status: u16, body: &[u8]) -> Received {
    Received { status, body: body.to_vec(), ..Received::default() }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000)
}

const NOW_MILLIS: i64 = 1_795_000_000_000;
/// As `UPSTREAM_TIMEOUT`.
const TIMEOUT: Duration = Duration::from_secs(25);

fn series(metric: &str, number: usize, samples: impl IntoIterator<Item = (usize, i64)>) -> Series {
    let label = |name: &str, value: String| Label { name: name.to_owned(), value };
    let samples = samples.into_iter();
    Series {
        labels: vec![
            label("__name__", metric.to_owned()),
            label("instance", format!("10.0.{}.{}:9100", number / 250, number % 250)),
            label("namespace", "monitoring".to_owned()),
        ],
        samples: samples
            .map(|(value, timestamp)| Sample { value: value as f64, timestamp })
            .collect(),
        exemplars: Vec::new(),
    }
}

/// One sample each for this many series of 50 metrics.
fn batch(count: usize) -> Vec<u8> {
    encoded(
        (0..count).map(|number| {
            series(&format!("metric_{}", number % 50), number, [(number, NOW_MILLIS)])
        }),
    )
}

fn encoded(series: impl IntoIterator<Item = Series>) -> Vec<u8> {
    let raw = Request { series: series.into_iter().collect() }.encode_to_vec();
    snap::raw::Encoder::new().compress_vec(&raw).unwrap()
}

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

/// Every good sample is stored, exactly `times` at most, and no bad one.
fn check_stored(endpoint: &Endpoint, count: usize, times: usize) {
    let seen = endpoint.seen.lock().unwrap();
    let missing: Vec<usize> = (0..count)
        .filter(|number| !endpoint.bad.contains(number) && !seen.stored.contains_key(number))
        .collect();
    assert!(
        missing.is_empty(),
        "{} are missing: {:?}",
        missing.len(),
        &missing[..missing.len().min(9)]
    );
    let twice: Vec<_> = seen.stored.iter().filter(|(_, stored)| **stored > times).collect();
    assert!(
        twice.is_empty(),
        "stored more often than {times}: {} {:?}",
        twice.len(),
        twice.first()
    );
    assert!(seen.stored.keys().all(|number| !endpoint.bad.contains(number)));
}

/// Something is sent after an answer, or before it.
const QUICK: Duration = Duration::from_millis(1);
const SLOW: Duration = Duration::from_secs(2);
/// Each search is made with so many choices of witnesses.
const SEEDS: u64 = 2;
