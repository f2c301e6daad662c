//! Batches as a sender encodes them, whose samples are numbered.

use prost::Message as _;

#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Series {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub(super) exemplars: Vec<Exemplar>,
}

/// The value is the exemplar's number, among those of samples.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Exemplar {
    #[prost(double, tag = "2")]
    pub(super) value: f64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Label {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

/// The value is the sample's number.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Sample {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    #[prost(int64, tag = "2")]
    pub(super) timestamp: i64,
}

pub(super) const NOW_MILLIS: i64 = 1_795_000_000_000;

pub(super) fn series(
    metric: &str,
    number: usize,
    samples: impl IntoIterator<Item = (usize, i64)>,
) -> Series {
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
pub(super) fn batch(count: usize) -> Vec<u8> {
    encoded(
        (0..count).map(|number| {
            series(&format!("metric_{}", number % 50), number, [(number, NOW_MILLIS)])
        }),
    )
}

pub(super) fn encoded(series: impl IntoIterator<Item = Series>) -> Vec<u8> {
    let raw = Request { series: series.into_iter().collect() }.encode_to_vec();
    snap::raw::Encoder::new().compress_vec(&raw).unwrap()
}
