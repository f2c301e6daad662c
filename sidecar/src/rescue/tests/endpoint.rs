//! A stand-in for the ingestion endpoint that refuses samples by their numbers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

use prost::Message as _;
use tokio::time::{Instant, sleep};

use super::{
    QUICK,
    message::{Exemplar, Sample},
};
use crate::upstream::{Failure, Received};

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
pub(super) enum Fault {
    Status(u16),
    Hangs,
    Breaks,
}

pub(super) struct Endpoint {
    /// Numbers of samples.
    pub(super) bad: BTreeSet<usize>,
    pub(super) refusal: Vec<u8>,
    pub(super) status: u16,
    pub(super) latency: Duration,
    /// By the request's number, from the batch itself on.
    pub(super) faults: BTreeMap<usize, Fault>,
    /// From then on, everything is refused for so long, and nothing for as long, in turn.
    pub(super) flaps: Option<(Instant, Duration)>,
    pub(super) max_bytes: usize,
    pub(super) seen: Mutex<Seen>,
}

#[derive(Default)]
pub(super) struct Seen {
    pub(super) stored: BTreeMap<usize, usize>,
    pub(super) requests: usize,
}

impl Endpoint {
    pub(super) fn new(bad: impl IntoIterator<Item = usize>) -> Self {
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

    pub(super) async fn answer_before(
        &self,
        deadline: Instant,
        body: &[u8],
    ) -> Result<Received, Failure> {
        let answer = tokio::time::timeout_at(deadline, self.answer(body)).await;
        answer.unwrap_or(Err(Failure::Timeout))
    }

    pub(super) async fn answer(&self, body: &[u8]) -> Result<Received, Failure> {
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

pub(super) fn received(status: u16, body: &[u8]) -> Received {
    Received { status, body: body.to_vec(), ..Received::default() }
}

/// Every good sample is stored, exactly `times` at most, and no bad one.
pub(super) fn check_stored(endpoint: &Endpoint, count: usize, times: usize) {
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
