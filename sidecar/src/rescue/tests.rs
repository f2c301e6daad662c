//! Whole batches against an endpoint that refuses, is slow, and fails in between:
//! attempt after attempt, as a sender makes them, in virtual time.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "numbers of samples are some thousands"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use proptest::prelude::*;
use prost::Message as _;
use tokio::time::{Instant, sleep};

use super::{Batch, Requests, Rescue, Rescued, ledger::Ledger};
use crate::{
    http1::Message,
    memory::Memory,
    metrics::Metrics,
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
            latency: Duration::ZERO,
            faults: BTreeMap::new(),
            max_bytes: 1 << 20,
            seen: Mutex::default(),
        }
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
        if body.len() > self.max_bytes {
            return Ok(received(413, b"too large"));
        }
        let raw = snap::raw::Decoder::new().decompress_vec(body).unwrap();
        let request = Request::decode(raw.as_slice()).unwrap();
        let samples = request.series.iter().flat_map(|series| &series.samples);
        let numbers: Vec<usize> = samples.map(|sample| sample.value as usize).collect();
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
    metrics: Arc<Metrics>,
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
        let metrics = Arc::new(Metrics::new("", "", ""));
        let memory = Memory::new(32 << 20);
        let ledger = Ledger::with_key(&seed.to_le_bytes());
        let rescue = Rescue::with_ledger(Arc::clone(&memory), Arc::clone(&metrics), now, ledger);
        Self { rescue, metrics, memory }
    }

    /// One attempt, as the forwarder makes it.
    async fn attempt(&self, endpoint: &Endpoint, body: &[u8]) -> Rescued {
        let deadline = Instant::now() + TIMEOUT;
        let requests = Requests::new();
        let batch = Batch { message: Message::V1, body, deadline, requests: &requests };
        let send = async |piece: &[u8]| {
            let answer = tokio::time::timeout_at(deadline, endpoint.answer(piece)).await;
            answer.unwrap_or(Err(Failure::Timeout))
        };
        let deliver = async |piece: Vec<u8>| match send(&piece).await {
            // With another token.
            Ok(Received { status: 401, .. }) if requests.take() => send(&piece).await,
            answer => answer,
        };
        if let Some(rescued) = self.rescue.resume(&batch, &deliver).await {
            return rescued;
        }
        let begun = Instant::now();
        requests.take();
        let result = deliver(body.to_vec()).await;
        self.rescue.answered(&batch, result, begun.elapsed(), &deliver).await
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
                _ => sleep(Duration::from_secs(1)).await,
            }
        }
        panic!("no end");
    }

    fn count(&self, name: &str) -> u64 {
        let text = self.metrics.text().unwrap();
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

async fn check(count: usize, bad: &[usize], latency: Duration, attempts: usize) {
    for seed in 0..SEEDS {
        check_with(Sender::with_seed(seed), count, bad, latency, attempts).await;
    }
}

async fn check_with(
    sender: Sender,
    count: usize,
    bad: &[usize],
    latency: Duration,
    attempts: usize,
) {
    let endpoint = Endpoint { latency, ..Endpoint::new(bad.iter().copied()) };
    let ended = sender.send(&endpoint, &batch(count)).await;
    let what = format!("{} of {count} at {latency:?}: {ended:?}", bad.len());
    assert_eq!(ended.status, 400, "{what}");
    assert!(ended.attempts <= attempts && ended.most_requests <= 64, "{what}");
    check_stored(&endpoint, count, 1);
    assert_eq!(sender.count("refused_samples_total"), bad.len() as u64, "{what}");
    assert_eq!(sender.count("rescued_samples_total"), (count - bad.len()) as u64, "{what}");
    let text = format!("refused {} samples of {} series", bad.len(), bad.len());
    assert!(ended.text.contains(&text), "{what}");
}

const SLOW: Duration = Duration::from_secs(2);
/// Each search is made with so many choices of witnesses.
const SEEDS: u64 = 1;

#[tokio::test(start_paused = true)]
async fn one_bad_series_is_found_at_once_wherever_it_is_however_slow_azure_is() {
    for count in [2_usize, 3, 5, 17, 500, 2000] {
        for position in [0, 1, count / 3, count / 2, count.saturating_sub(2), count - 1] {
            if position < count {
                check(count, &[position], SLOW, 1).await;
                check(count, &[position], Duration::ZERO, 1).await;
            }
        }
    }
    check(5000, &[4321], SLOW, 2).await;
}

#[tokio::test(start_paused = true)]
async fn many_bad_series_are_found_within_eight_attempts() {
    for (count, latency, most) in [(2000, SLOW, 40), (5000, SLOW, 40)] {
        for bad in [2, 10, most] {
            let spread: Vec<usize> = (0..bad).map(|one| one * count / bad + one * 7 % 50).collect();
            let at_the_ends: Vec<usize> =
                (0..bad).map(|one| if one % 2 == 0 { one } else { count - one }).collect();
            for bad in [spread, at_the_ends] {
                check(count, &bad, latency, 8).await;
            }
        }
        let whole_metric: Vec<usize> = (0..count).filter(|number| number % 50 == 7).collect();
        check(count, &whole_metric, latency, 5).await;
        let neighbours: Vec<usize> = (count / 2..count / 2 + 200).collect();
        check(count, &neighbours, latency, 8).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_metric_that_is_refused_costs_the_next_batches_little() {
    let sender = Sender::new();
    for round in 0..8 {
        let numbers = || (0..2000).map(|number| round * 2000 + number);
        let endpoint = Endpoint::new(numbers().filter(|number| number % 200 == 8));
        let body = encoded(numbers().map(|number| {
            series(&format!("metric_{}", number % 200), number % 2000, [(number, NOW_MILLIS)])
        }));
        let ended = sender.send(&endpoint, &body).await;
        assert_eq!(ended.status, 400);
        let requests = endpoint.seen.lock().unwrap().requests;
        let most = if round < 3 { 15 } else { 3 };
        assert!(round == 0 || requests <= most, "{round}: {requests}");
    }
    assert_eq!(sender.count("refused_samples_total"), 80);
    assert_eq!(sender.count("rescued_samples_total"), 15_920);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_bad_throughout_ends_while_others_pass() {
    for count in [1, 2, 40, 2000] {
        let sender = Sender::new();
        let good = Endpoint::new([]);
        sender.attempt(&good, &batch(7)).await;
        // The control write is one that was stored: sample 0.
        let endpoint = Endpoint::new(1000..1000 + count);
        let body = encoded(
            (1000..1000 + count)
                .map(|number| series(&format!("metric_{number}"), number, [(number, NOW_MILLIS)])),
        );
        let ended = sender.send(&endpoint, &body).await;
        assert!(ended.status == 400 && ended.attempts <= 8, "{ended:?}");
        assert!(endpoint.seen.lock().unwrap().stored.keys().all(|number| *number == 0));
        assert_eq!(sender.count("refused_samples_total"), count as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_everything_costs_three_requests_and_no_sample() {
    for (count, before) in [(1, true), (1, false), (2000, true), (2000, false)] {
        let sender = Sender::new();
        if before {
            sender.attempt(&Endpoint::new([]), &batch(7)).await;
        }
        let wrong = Endpoint {
            faults: (1..1000).map(|one| (one, Fault::Status(400))).collect(),
            ..Endpoint::new([])
        };
        let mut requests = Vec::new();
        for _ in 0..20 {
            let rescued = sender.attempt(&wrong, &batch(count)).await;
            assert!(matches!(rescued, Rescued::AboutRequest(_)), "{rescued:?}");
            requests.push(std::mem::take(&mut wrong.seen.lock().unwrap().requests));
            sleep(Duration::from_secs(5)).await;
        }
        assert!(requests[0] <= 3, "{requests:?}");
        assert!(requests.iter().all(|requests| *requests <= 3), "{requests:?}");
        assert!(
            requests.iter().sum::<usize>() <= 20 + 3 * 2,
            "two at once, then one a minute: {requests:?}"
        );
        let right = Endpoint::new([]);
        let ended = sender.send(&right, &batch(count)).await;
        assert_eq!((ended.status, ended.attempts), (204, 1));
        check_stored(&right, count, 1);
        assert_eq!(sender.count("refused_samples_total"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_names_the_path_is_not_searched() {
    let sender = Sender::new();
    let refusal =
        br#"{"error":{"code":"InvalidRequestPath","message":"The request path is invalid"}}"#;
    let endpoint = Endpoint { refusal: refusal.to_vec(), ..Endpoint::new(0..2000) };
    for _ in 0..3 {
        assert!(matches!(sender.attempt(&endpoint, &batch(2000)).await, Rescued::AboutRequest(_)));
    }
    assert_eq!(endpoint.seen.lock().unwrap().requests, 3);
}

/// One request after the other is refused from the `first` to the `last`, while a batch
/// is searched.
fn interrupted(first: usize, last: usize, status: u16) -> Endpoint {
    Endpoint {
        faults: (first..=last).map(|one| (one, Fault::Status(status))).collect(),
        ..Endpoint::new((0..40).map(|number| 49 * number))
    }
}

#[tokio::test(start_paused = true)]
async fn settings_that_become_wrong_within_a_search_lose_no_sample() {
    for status in [400, 409, 413, 415, 422] {
        let ranges = [(40, 110), (3, 60), (6, 100), (20, 150), (40, 200)];
        for (first, last) in ranges.into_iter().take(if status == 400 { 5 } else { 1 }) {
            let sender = Sender::new();
            sender.attempt(&Endpoint::new([]), &batch(1)).await;
            let endpoint = interrupted(first, last, status);
            let ended = sender.send(&endpoint, &batch(2000)).await;
            assert!(matches!(ended.status, 400 | 413), "{ended:?}");
            assert!(ended.most_requests <= 64, "{ended:?}");
            check_stored(&endpoint, 2000, 1);
            assert_eq!(sender.count("refused_samples_total"), 40, "{status} {first} {ended:?}");
        }
    }
}

/// Bad ones of `count` series, spread by a seed.
fn spread(count: usize, bad: usize, seed: u64) -> BTreeSet<usize> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut found = BTreeSet::new();
    while found.len() < bad {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        found.insert((state % count as u64) as usize);
    }
    found
}

#[tokio::test(start_paused = true)]
async fn settings_that_become_wrong_at_any_step_of_a_search_lose_no_sample() {
    for (count, bad, stride) in [(100, 3, 3), (2000, 1, 5), (2000, 10, 29), (2000, 40, 131)] {
        for (step, seed) in (2..).step_by(stride).zip(0..) {
            let sender = Sender::with_seed(seed);
            let faults = (step..step + 45).map(|one| (one, Fault::Status(400))).collect();
            let endpoint = Endpoint { faults, ..Endpoint::new(spread(count, bad, seed)) };
            let ended = sender.send(&endpoint, &batch(count)).await;
            let what = format!("{bad} of {count}, wrong from request {step} on: {ended:?}");
            assert!(ended.status == 400 && ended.most_requests <= 64, "{what}");
            check_stored(&endpoint, count, 1);
            assert_eq!(sender.count("refused_samples_total"), bad as u64, "{what}");
            if endpoint.seen.lock().unwrap().requests < step {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_names_the_path_within_a_search_keeps_the_batch() {
    let sender = Sender::new();
    sender.attempt(&Endpoint::new([]), &batch(1)).await;
    let endpoint = Endpoint::new([77, 1000, 1999]);
    let path = Endpoint {
        refusal: b"{\"error\":{\"code\":\"InvalidRequestPath\"}}".to_vec(),
        ..Endpoint::new(0..2000)
    };
    // The refusal of the whole, and then of its first part.
    let body = batch(2000);
    let deadline = Instant::now() + TIMEOUT;
    let requests = Requests::new();
    let batch = Batch { message: Message::V1, body: &body, deadline, requests: &requests };
    let refusal = received(400, b"bad");
    let send = async |piece: Vec<u8>| path.answer(&piece).await;
    let rescued = sender.rescue.answered(&batch, Ok(refusal), Duration::ZERO, &send).await;
    assert!(matches!(rescued, Rescued::AboutRequest(_)), "{rescued:?}");
    assert!(path.seen.lock().unwrap().requests <= 3);
    let ended = sender.send(&endpoint, &body).await;
    assert_eq!(ended.status, 400);
    check_stored(&endpoint, 2000, 1);
}

#[tokio::test(start_paused = true)]
async fn a_label_that_reads_like_a_path_keeps_no_batch_forever() {
    let sender = Sender::new();
    let refusal = b"{\"message\":\"value InvalidRequestPath is refused\"}".to_vec();
    let endpoint = Endpoint { refusal, ..Endpoint::new([3]) };
    let first = sender.attempt(&endpoint, &batch(500)).await;
    assert!(matches!(first, Rescued::AboutRequest(_)), "{first:?}");
    sleep(Duration::from_secs(1)).await;
    sender.attempt(&Endpoint::new([]), &encoded([series("up", 0, [(9999, NOW_MILLIS)])])).await;
    let ended = sender.send(&endpoint, &batch(500)).await;
    assert_eq!((ended.status, ended.attempts), (400, 1), "{ended:?}");
    check_stored(&endpoint, 500, 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_sent_again_before_it_is_answered_is_opened_once() {
    let sender = Sender::new();
    sender.attempt(&Endpoint::new([]), &encoded([series("up", 0, [(9999, NOW_MILLIS)])])).await;
    let endpoint = Endpoint { latency: Duration::from_secs(1), ..Endpoint::new([7, 77, 1777]) };
    let body = batch(2000);
    let (one, other) = tokio::join!(sender.attempt(&endpoint, &body), async {
        sleep(Duration::from_secs(4)).await;
        sender.attempt(&endpoint, &body).await
    });
    assert!(matches!(one, Rescued::Settled { .. }), "{one:?}");
    assert!(matches!(other, Rescued::Answered(Err(Failure::UnderWay))), "{other:?}");
    let ended = sender.send(&endpoint, &body).await;
    assert_eq!((ended.status, ended.most_requests), (400, 1));
    check_stored(&endpoint, 2000, 1);
    assert_eq!(sender.count("refused_samples_total"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_something_on_the_way_refuses_forever_is_searched_while_others_pass() {
    for status in [403, 406, 500] {
        let sender = Sender::new();
        let endpoint = Endpoint { status, ..Endpoint::new([1234]) };
        let body = batch(2000);
        let mut minutes = 0.0;
        let ended = loop {
            let rescued = sender.attempt(&endpoint, &body).await;
            if let Rescued::Settled { received, .. } = rescued {
                break received;
            }
            // Another shard.
            let other = encoded([series("up", minutes as usize, [(5000, NOW_MILLIS)])]);
            sender.attempt(&Endpoint::new([]), &other).await;
            sleep(Duration::from_secs(5)).await;
            minutes += 5.0 / 60.0;
            assert!(minutes < 10.0);
        };
        assert!(ended.status == 400 && minutes >= 3.0, "{ended:?} after {minutes}");
        check_stored(&endpoint, 2000, 1);
        // While nothing else passes, the network may be to blame.
        let alone = Sender::new();
        for _ in 0..100 {
            let rescued = alone.attempt(&endpoint, &body).await;
            assert!(matches!(rescued, Rescued::Answered(Ok(_))), "{rescued:?}");
            sleep(Duration::from_secs(5)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_any_size_and_compression_is_cut() {
    let noise = |seed: usize, length: usize| {
        let mut state = seed as u64 + 0x9e37_79b9_7f4a_7c15;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'!' + (state % 90) as u8)
        };
        (0..length).map(|_| next()).collect::<String>()
    };
    // Series, and the bytes of a label that does and of one that does not compress.
    for (count, compressible, incompressible, latency, attempts) in [
        (3000, 1000, 350_usize, SLOW, 1),
        (1000, 0, 6000, SLOW, 2),
        (1500, 0, 10_000, Duration::ZERO, 1),
        (2000, 20_000, 700, SLOW, 3),
        (3000, 20_000, 1, Duration::ZERO, 1),
    ] {
        let body = encoded((0..count).map(|number| {
            let mut one = series("large", number, [(number, NOW_MILLIS)]);
            let mut push =
                |name: &str, value| one.labels.push(Label { name: name.to_owned(), value });
            for part in 0..compressible / 1000 {
                push(&format!("text_{part}"), "lorem ipsum ".repeat(83));
            }
            for part in 0..incompressible.div_ceil(1000) {
                push(&format!("noise_{part}"), noise(number * 50 + part, incompressible.min(1000)));
            }
            one
        }));
        let what = format!("{count} series, {} bytes", body.len());
        let sender = Sender::new();
        let endpoint = Endpoint { latency, ..Endpoint::new([]) };
        let ended = sender.send(&endpoint, &body).await;
        assert!(ended.status == 204 && ended.attempts <= attempts, "{what}: {ended:?}");
        assert!(ended.most_requests <= 64, "{what}: {ended:?}");
        check_stored(&endpoint, count, 1);
        // And with bad ones in it.
        let sender = Sender::new();
        let endpoint = Endpoint { latency, ..Endpoint::new([3, count - 2]) };
        let ended = sender.send(&endpoint, &body).await;
        assert!(matches!(ended.status, 400 | 413) && ended.attempts <= 8, "{what}: {ended:?}");
        check_stored(&endpoint, count, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_smaller_limit_than_azures_is_found() {
    let sender = Sender::new();
    let endpoint = Endpoint { max_bytes: 5000, ..Endpoint::new([]) };
    let ended = sender.send(&endpoint, &batch(2000)).await;
    assert_eq!((ended.status, ended.attempts), (204, 1));
    check_stored(&endpoint, 2000, 1);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_finds_everything_too_large_loses_nothing() {
    let sender = Sender::new();
    let endpoint = Endpoint { max_bytes: 10, ..Endpoint::new([]) };
    for _ in 0..10 {
        let rescued = sender.attempt(&endpoint, &batch(200)).await;
        assert!(!matches!(rescued, Rescued::Settled { .. }), "{rescued:?}");
        sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(sender.count("refused_samples_total"), 0);
}

#[tokio::test(start_paused = true)]
async fn samples_that_are_too_old_are_left_out_one_by_one() {
    let minutes = |count: i64| NOW_MILLIS - count * 60_000;
    for refusal in ["Samples are older than 20 minutes", "no reason"] {
        let sender = Sender::new();
        // Each series has an old sample, a good one and one of tomorrow; the last
        // has good ones alone.
        let old = [(0, minutes(25)), (1, minutes(3)), (2, minutes(-1500))];
        let body = encoded((0..20).map(|number| {
            let samples = old.map(|(one, time)| {
                (3 * number + one, if number < 5 { time } else { minutes(one as i64) })
            });
            series(&format!("metric_{}", number / 2), number, samples)
        }));
        let bad = (0..15).filter(|number| number % 3 != 1);
        let endpoint = Endpoint { refusal: refusal.into(), ..Endpoint::new(bad) };
        let ended = sender.send(&endpoint, &body).await;
        assert_eq!(ended.status, 400, "{ended:?}");
        check_stored(&endpoint, 60, 1);
        assert_eq!(sender.count("refused_samples_total"), 10, "{ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_bad_sample_of_a_series_takes_no_other_with_it() {
    let sender = Sender::new();
    let body = encoded((0..100).map(|number| {
        series("metric", number, (0..20).map(|one| (20 * number + one, NOW_MILLIS + one as i64)))
    }));
    let endpoint = Endpoint::new([777, 1999]);
    let ended = sender.send(&endpoint, &body).await;
    assert_eq!((ended.status, ended.attempts), (400, 1));
    check_stored(&endpoint, 2000, 1);
    assert_eq!(sender.count("refused_samples_total"), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_in_between_no_good_sample_is_lost(
        count in prop_oneof![Just(2000_usize), Just(5000), 1_usize..300],
        bad in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        latency in 0_u64..2000,
        faults in prop::collection::btree_map(1_usize..120, prop_oneof![
            4 => prop_oneof![Just(500_u16), Just(503), Just(429), Just(401), Just(403), Just(404)].prop_map(Fault::Status),
            1 => Just(Fault::Breaks),
            1 => Just(Fault::Hangs),
        ], 0..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let bad: BTreeSet<usize> = bad.iter().map(|index| index.index(count)).collect();
            let sender = Sender::new();
            sender.attempt(&Endpoint::new([]), &encoded([series("up", 0, [(9999, NOW_MILLIS)])])).await;
            let endpoint = Endpoint { latency: Duration::from_millis(latency), faults, ..Endpoint::new(bad) };
            let ended = sender.send(&endpoint, &batch(count)).await;
            assert_eq!(ended.status, if endpoint.bad.is_empty() { 204 } else { 400 });
            assert!(ended.most_requests <= 64, "{ended:?}");
            endpoint.seen.lock().unwrap().stored.remove(&9999);
            check_stored(&endpoint, count, 1);
            assert_eq!(sender.count("refused_samples_total"), endpoint.bad.len() as u64);
        });
    }
}
