//! Remote-write messages, as far as they are looked at: which record is a
//! series, its labels, and how many samples of which time it has.
//!
//! The schemas:
//! <https://github.com/prometheus/prometheus/blob/main/prompb/remote.proto> and
//! <https://github.com/prometheus/prometheus/blob/main/prompb/io/prometheus/write/v2/types.proto>.
//! Records are walked and not decoded: to decode a batch would take many times
//! its own size.

use prost::encoding::{WireType, decode_key, decode_varint};

use crate::http1::Message;

/// One field of a message.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) field: u32,
    /// What it holds, if that is delimited by a length.
    pub(super) content: Option<&'a [u8]>,
    /// What it holds, if that is a varint.
    number: Option<u64>,
    /// All of it, with key and length.
    pub(super) bytes: &'a [u8],
}

/// A key and a length, at their longest.
pub(super) const MAX_PREFIX_BYTES: usize = 15;

/// What a record at the top of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A series with its samples.
    Series,
    /// What a metric means; in version 2.0 a part of the series.
    Metadata,
    /// A text that series of version 2.0 refer to.
    Symbol,
    /// Not known here: every piece gets it.
    Unknown,
}

/// How much a series carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Samples {
    /// Floats and native histograms.
    pub(super) count: u64,
    /// Native histograms.
    pub(super) histograms: u64,
    pub(super) exemplars: u64,
    /// The earliest and the latest time, in milliseconds since 1970.
    pub(super) times: Option<(i64, i64)>,
}

/// A label's name and value. Texts are not copied: one symbol may be the label of
/// a thousand series.
pub(super) type Label<'a> = (&'a [u8], &'a [u8]);

/// More labels are not looked at: Azure takes 63.
const MAX_LABELS: usize = 4096;

impl<'a> Record<'a> {
    /// The record at the start of `bytes`, and what comes after it.
    pub(super) fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let prefix = prefix(bytes)?;
        let (record, after) = bytes.split_at_checked(prefix.record_bytes)?;
        let content = record.get(prefix.bytes..).filter(|_| prefix.delimited);
        Some((Self { field: prefix.field, content, number: prefix.number, bytes: record }, after))
    }

    /// The records of `bytes`, as far as these can be read.
    pub(super) fn all(bytes: &'a [u8]) -> impl Iterator<Item = Self> {
        let mut rest = bytes;
        std::iter::from_fn(move || {
            let (record, after) = Self::read(rest)?;
            rest = after;
            Some(record)
        })
    }
}

/// How a record begins.
#[derive(Clone, Copy)]
pub(super) struct Prefix {
    pub(super) field: u32,
    /// Whether it is delimited by a length.
    pub(super) delimited: bool,
    /// The bytes of key and length.
    pub(super) bytes: usize,
    /// The bytes of the whole record.
    pub(super) record_bytes: usize,
    /// What it holds, if that is a varint.
    number: Option<u64>,
}

/// Reads how a record begins, of which not more than that need be there.
pub(super) fn prefix(record: &[u8]) -> Option<Prefix> {
    let mut rest = record;
    let (field, kind) = decode_key(&mut rest).ok()?;
    let mut number = None;
    let content = match kind {
        WireType::LengthDelimited => usize::try_from(decode_varint(&mut rest).ok()?).ok()?,
        WireType::Varint => {
            number = Some(decode_varint(&mut rest).ok()?);
            0
        }
        WireType::ThirtyTwoBit => 4,
        WireType::SixtyFourBit => 8,
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    let bytes = record.len() - rest.len();
    let delimited = kind == WireType::LengthDelimited;
    Some(Prefix { field, delimited, bytes, record_bytes: bytes.checked_add(content)?, number })
}

/// What a field at the top of a message is.
pub(super) const fn kind(message: Message, field: u32, delimited: bool) -> Kind {
    match (message, field, delimited) {
        (Message::V1, 1, true) | (Message::V2, 5, true) => Kind::Series,
        (Message::V1, 3, true) => Kind::Metadata,
        (Message::V2, 4, true) => Kind::Symbol,
        _ => Kind::Unknown,
    }
}

/// Whether a field of a series is a float or a native histogram.
pub(super) const fn is_sample(message: Message, field: u32) -> bool {
    matches!((message, field), (Message::V1 | Message::V2, 2) | (Message::V1, 4) | (Message::V2, 3))
}

/// Whether a field of a series is an exemplar.
pub(super) const fn is_exemplar(message: Message, field: u32) -> bool {
    matches!((message, field), (Message::V1, 3) | (Message::V2, 4))
}

/// The samples of a series.
pub(super) fn samples(message: Message, series: &[u8]) -> Samples {
    let mut samples = Samples::default();
    for record in Record::all(series) {
        samples.exemplars += u64::from(is_exemplar(message, record.field));
        let Some(content) = record.content.filter(|_| is_sample(message, record.field)) else {
            continue;
        };
        samples.count += 1;
        samples.histograms += u64::from(record.field != 2);
        // `Sample.timestamp` and `Histogram.timestamp`; 0 is not written.
        let field = if record.field == 2 { 2 } else { 15 };
        let number = Record::all(content)
            .filter(|one| one.field == field)
            .filter_map(|one| one.number)
            .last();
        let time = number.unwrap_or_default().cast_signed();
        let (first, last) = samples.times.unwrap_or((time, time));
        samples.times = Some((first.min(time), last.max(time)));
    }
    samples
}

/// The labels of a series of version 1.0; `None` if there are too many.
pub(super) fn labels_v1(series: &[u8]) -> Option<Vec<Label<'_>>> {
    let labels = Record::all(series).filter(|record| record.field == 1);
    at_most(MAX_LABELS, labels.map(|record| (text(record, 1), text(record, 2))))
}

/// A text in a record: the last one counts.
fn text(record: Record<'_>, field: u32) -> &[u8] {
    let fields = Record::all(record.content.unwrap_or_default());
    fields.filter(|one| one.field == field).filter_map(|one| one.content).last().unwrap_or_default()
}

/// The labels of a series of version 2.0 by its references into the `symbols`;
/// `None` if there are too many, or one refers to nothing.
pub(super) fn labels_v2<'a>(
    series: &[u8],
    symbol: impl Fn(usize) -> Option<&'a [u8]>,
) -> Option<Vec<Label<'a>>> {
    let numbers = Record::all(series).filter(|record| record.field == 1).flat_map(numbers);
    let references = at_most(2 * MAX_LABELS, numbers)?;
    let text = |number: u64| symbol(usize::try_from(number).ok()?);
    let pairs = references.chunks(2).map(|pair| match pair {
        [name, value] => text(*name).zip(text(*value)),
        _ => None,
    });
    pairs.collect()
}

/// A field of numbers, packed or not.
pub(super) fn numbers(record: Record<'_>) -> impl Iterator<Item = u64> {
    let mut packed = record.content.unwrap_or_default();
    let packed = std::iter::from_fn(move || {
        (!packed.is_empty()).then(|| decode_varint(&mut packed).ok()).flatten()
    });
    record.number.into_iter().chain(packed)
}

fn at_most<T>(count: usize, mut items: impl Iterator<Item = T>) -> Option<Vec<T>> {
    let found = items.by_ref().take(count).collect();
    items.next().is_none().then_some(found)
}

/// A series as `PromQL` writes it, cut to a length that a log line bears.
pub(super) fn name(labels: &[Label<'_>]) -> String {
    const MAX_CHARS: usize = 200;
    let cut = |bytes: &[u8]| {
        // Four bytes a character at most.
        let bytes = bytes.get(..4 * MAX_CHARS).unwrap_or(bytes);
        String::from_utf8_lossy(bytes).chars().take(MAX_CHARS).collect::<String>()
    };
    let metric = labels.iter().find(|(name, _)| *name == b"__name__");
    let metric = metric.map_or_else(String::new, |(_, value)| cut(value));
    let others: Vec<String> = labels
        .iter()
        .filter(|(name, _)| *name != b"__name__")
        .take(MAX_CHARS)
        .map(|(name, value)| format!("{}={:?}", cut(name), cut(value)))
        .collect();
    let whole = format!("{metric}{{{}}}", others.join(","));
    let shown: String = whole.chars().take(MAX_CHARS).collect();
    if shown.len() < whole.len() { shown + "…" } else { shown }
}
