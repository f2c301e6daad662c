//! A batch, opened as far as its series.
//!
//! The schemas:
//! <https://github.com/prometheus/prometheus/blob/main/prompb/remote.proto> and
//! <https://github.com/prometheus/prometheus/blob/main/prompb/io/prometheus/write/v2/types.proto>.

use std::borrow::Cow;

use prost::{
    Message as _,
    encoding::{WireType, decode_key, decode_varint},
};

use super::symbols;
use crate::http1::Message;

/// A batch's records, as they were received.
pub(super) struct Batch<'a> {
    message: Message,
    /// What every piece needs: the symbols of 2.0, and what is not known.
    shared: Vec<Shared<'a>>,
    /// What pieces are made of: series, and in 1.0 also metadata.
    items: Vec<Item<'a>>,
    symbols: Vec<&'a str>,
}

/// A record of every piece.
struct Shared<'a> {
    bytes: &'a [u8],
    /// Which symbol it is, if it is one.
    symbol: Option<usize>,
}

struct Item<'a> {
    /// With its key and length.
    record: &'a [u8],
    /// Without them; `None` for metadata.
    series: Option<&'a [u8]>,
}

/// A series, as far as it is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Series<'a> {
    /// Names and values. One symbol may be the label of many series a thousand
    /// times over, so symbols are not copied.
    pub(super) labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Samples and histograms.
    pub(super) samples: usize,
}

/// `prometheus.TimeSeries`; what is only counted stays bytes.
#[derive(Clone, PartialEq, prost::Message)]
struct SeriesV1 {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    samples: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "4")]
    histograms: Vec<Vec<u8>>,
}

/// `prometheus.Label`.
#[derive(Clone, PartialEq, prost::Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// `io.prometheus.write.v2.TimeSeries`; what is only counted stays bytes.
#[derive(Clone, PartialEq, prost::Message)]
struct SeriesV2 {
    #[prost(uint32, repeated, tag = "1")]
    label_references: Vec<u32>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    samples: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    histograms: Vec<Vec<u8>>,
}

/// The fields of `prometheus.WriteRequest`.
const V1_SERIES: u32 = 1;
const V1_METADATA: u32 = 3;
/// The fields of `io.prometheus.write.v2.Request`.
const V2_SYMBOLS: u32 = 4;
const V2_SERIES: u32 = 5;

/// A batch of more series and symbols is not opened: what is noted of each takes
/// up to 100 bytes (12 MiB in all), and an empty one has only two of its own.
/// Prometheus sends 2000 series at once unless it is told otherwise.
const MAX_RECORDS: usize = 1 << 17;
/// Likewise, a longer series of 2.0 is not looked at: it holds no texts.
pub(super) const MAX_SERIES_BYTES: usize = 1 << 20;

impl<'a> Batch<'a> {
    /// Opens the decompressed message; `None` if it is none, or of too many
    /// records.
    pub(super) fn open(message: Message, raw: &'a [u8]) -> Option<Self> {
        let mut batch =
            Self { message, shared: Vec::new(), items: Vec::new(), symbols: Vec::new() };
        let mut rest = raw;
        while !rest.is_empty() {
            let (record, after) = Record::read(rest)?;
            rest = after;
            if batch.items.len() + batch.shared.len() == MAX_RECORDS {
                return None;
            }
            match (message, record.field, record.content) {
                (Message::V1, V1_SERIES, Some(series)) | (Message::V2, V2_SERIES, Some(series)) => {
                    batch.items.push(Item { record: record.bytes, series: Some(series) });
                }
                (Message::V1, V1_METADATA, Some(_)) => {
                    batch.items.push(Item { record: record.bytes, series: None });
                }
                (Message::V2, V2_SYMBOLS, Some(symbol)) => {
                    let shared = Shared { bytes: record.bytes, symbol: Some(batch.symbols.len()) };
                    batch.symbols.push(std::str::from_utf8(symbol).ok()?);
                    batch.shared.push(shared);
                }
                _ => batch.shared.push(Shared { bytes: record.bytes, symbol: None }),
            }
        }
        Some(batch)
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The series at `index`; `None` if it is metadata, damaged or monstrous.
    pub(super) fn series(&self, index: usize) -> Option<Series<'a>> {
        let bytes = self.items.get(index)?.series?;
        match self.message {
            Message::V1 => {
                Record::all(bytes).nth(MAX_RECORDS).is_none().then_some(())?;
                let series = SeriesV1::decode(bytes).ok()?;
                let owned = |label: Label| (Cow::Owned(label.name), Cow::Owned(label.value));
                let labels = series.labels.into_iter().map(owned);
                let samples = series.samples.len() + series.histograms.len();
                Some(Series { labels: labels.collect(), samples })
            }
            Message::V2 => {
                (bytes.len() <= MAX_SERIES_BYTES).then_some(())?;
                let series = SeriesV2::decode(bytes).ok()?;
                let symbol = |reference: u32| {
                    let index = usize::try_from(reference).ok()?;
                    self.symbols.get(index).map(|symbol| Cow::Borrowed(*symbol))
                };
                let pairs = series.label_references.chunks_exact(2).map(|pair| match pair {
                    [name, value] => symbol(*name).zip(symbol(*value)),
                    _ => None,
                });
                let samples = series.samples.len() + series.histograms.len();
                Some(Series { labels: pairs.collect::<Option<_>>()?, samples })
            }
        }
    }

    /// A message with the items at `indexes` alone.
    pub(super) fn piece(&self, indexes: &[usize]) -> Vec<u8> {
        let items = || indexes.iter().filter_map(|index| self.items.get(*index));
        let used = symbols::used(self.symbols.len(), items().filter_map(|item| item.series));
        let mut raw = Vec::new();
        for Shared { bytes, symbol } in &self.shared {
            let needed = symbol.is_none_or(|index| used.get(index).copied().unwrap_or(true));
            raw.extend_from_slice(if needed { bytes } else { symbols::EMPTY });
        }
        for item in items() {
            raw.extend_from_slice(item.record);
        }
        raw
    }
}

/// A field with what it holds.
pub(super) struct Record<'a> {
    pub(super) field: u32,
    /// What it holds, if that is delimited by a length.
    content: Option<&'a [u8]>,
    /// All of it, with key and length.
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// The records of `bytes`, as far as these can be read.
    pub(super) fn all(bytes: &'a [u8]) -> impl Iterator<Item = Self> {
        let mut rest = bytes;
        std::iter::from_fn(move || {
            let (record, after) = Self::read(rest)?;
            rest = after;
            Some(record)
        })
    }

    /// The record at the start of `bytes`, and what comes after it.
    pub(super) fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut rest = bytes;
        let (field, kind) = decode_key(&mut rest).ok()?;
        let length = match kind {
            WireType::LengthDelimited => usize::try_from(decode_varint(&mut rest).ok()?).ok()?,
            WireType::Varint => {
                decode_varint(&mut rest).ok()?;
                0
            }
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        let (content, after) = rest.split_at_checked(length)?;
        let bytes = bytes.get(..bytes.len() - after.len())?;
        let content = (kind == WireType::LengthDelimited).then_some(content);
        Some((Self { field, content, bytes }, after))
    }
}

impl Series<'_> {
    /// As `PromQL` writes it, cut to a length that a log line bears.
    pub(super) fn name(&self) -> String {
        const MAX_CHARS: usize = 200;
        let metric = self.labels.iter().find(|(name, _)| name == "__name__");
        let cut = |text: &str| text.chars().take(MAX_CHARS).collect::<String>();
        let metric = metric.map_or_else(String::new, |(_, value)| cut(value));
        let others: Vec<String> = self
            .labels
            .iter()
            .filter(|(name, _)| name != "__name__")
            .take(MAX_CHARS)
            .map(|(name, value)| format!("{}={:?}", cut(name), cut(value)))
            .collect();
        let whole = format!("{metric}{{{}}}", others.join(","));
        let shown = cut(&whole);
        if shown.len() < whole.len() { shown + "…" } else { shown }
    }
}

#[cfg(test)]
mod tests;
