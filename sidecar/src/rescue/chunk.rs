//! A refused batch, opened chunk by chunk.
//!
//! Pieces are put together from the received records, so nothing is lost that
//! this program does not know.

mod divide;

use super::{
    inflate::Inflate,
    message::{self, Kind, Label, Record, Samples},
    survey::{MAX_RECORD_BYTES, Survey, next_record},
    symbols,
};
use crate::http1::Message;

/// A part of a batch that is looked at as one: all of it, nearly always.
#[derive(Debug)]
pub(super) struct Chunk {
    message: Message,
    /// The shared records, then those of the chunk, then divided ones.
    raw: Vec<u8>,
    shared: Vec<Shared>,
    /// The contents of those that are symbols.
    symbols: Vec<Span>,
    records: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

#[derive(Clone, Copy, Debug)]
struct Shared {
    span: Span,
    is_symbol: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    span: Span,
    kind: Kind,
    /// Only its beginning was kept: nothing of this size can be sent.
    cut_off: bool,
}

/// So much is kept of one, for its name.
const STUB_BYTES: usize = 64 << 10;
/// A message with the first sample of a batch alone; `None` if it is not found
/// within what is cheap to read.
pub(super) fn first_record(message: Message, body: &[u8]) -> Option<Vec<u8>> {
    let mut inflate = Inflate::beginning(body)?;
    let mut shared = Vec::new();
    loop {
        let next = next_record(&mut inflate)??;
        let length = next.record_bytes;
        if shared.len() + length > STUB_BYTES {
            return None;
        }
        inflate.fill(length)?;
        let bytes = inflate.ready().get(..length)?;
        match message::kind(message, next.field, next.delimited) {
            Kind::Series => {
                let mut chunk = Chunk::with_shared(message, &shared);
                let span = append(&mut chunk.raw, bytes);
                chunk.records.push(Entry { span, kind: Kind::Series, cut_off: false });
                // One sample is enough.
                let first = (chunk.samples(0).count > 1)
                    .then(|| chunk.divide(0, |number, _| number == 0))
                    .flatten()
                    .map_or(0, |(first, _)| first);
                return Some(chunk.piece(&[first]));
            }
            Kind::Metadata => {}
            Kind::Symbol | Kind::Unknown => shared.extend_from_slice(bytes),
        }
        inflate.take(length);
    }
}

/// The chunks of a batch, in order.
pub(super) struct Chunks<'a> {
    message: Message,
    inflate: Inflate<'a>,
    survey: &'a Survey,
}

impl<'a> Chunks<'a> {
    /// Opens a batch that was surveyed.
    pub(super) fn new(message: Message, body: &'a [u8], survey: &'a Survey) -> Option<Self> {
        Some(Self { message, inflate: Inflate::new(body)?, survey })
    }
}

impl Iterator for Chunks<'_> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        let mut chunk = Chunk::with_shared(self.message, &self.survey.shared);
        chunk.raw.reserve_exact(self.survey.chunk_bytes());
        let begin = chunk.raw.len();
        while let Some(next) = next_record(&mut self.inflate).flatten() {
            let kind = message::kind(self.message, next.field, next.delimited);
            let length = next.record_bytes;
            if matches!(kind, Kind::Symbol | Kind::Unknown) {
                self.inflate.skip(length)?;
                continue;
            }
            let kept = if length > MAX_RECORD_BYTES { STUB_BYTES } else { length };
            let full = chunk.raw.len() - begin + kept > self.survey.bounds.chunk_bytes
                || chunk.records.len() == self.survey.bounds.chunk_records;
            if full && !chunk.records.is_empty() {
                break;
            }
            self.inflate.fill(kept)?;
            let bytes = self.inflate.ready().get(..kept)?;
            let span = append(&mut chunk.raw, bytes);
            chunk.records.push(Entry { span, kind, cut_off: kept < length });
            self.inflate.skip(length)?;
        }
        (!chunk.records.is_empty()).then_some(chunk)
    }
}

fn append(raw: &mut Vec<u8>, bytes: &[u8]) -> Span {
    let start = raw.len();
    raw.extend_from_slice(bytes);
    Span::new(start, raw.len())
}

impl Span {
    /// A chunk is some MiB, so positions fit.
    fn new(start: usize, end: usize) -> Self {
        let position = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: position(start), end: position(end) }
    }

    fn of(self, raw: &[u8]) -> &[u8] {
        raw.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl Chunk {
    fn with_shared(message: Message, shared: &[u8]) -> Self {
        let mut chunk = Self {
            message,
            raw: shared.to_vec(),
            shared: Vec::new(),
            symbols: Vec::new(),
            records: Vec::new(),
        };
        let mut start = 0;
        for record in Record::all(shared) {
            let end = start + record.bytes.len();
            let is_symbol =
                message::kind(message, record.field, record.content.is_some()) == Kind::Symbol;
            if let (true, Some(content)) = (is_symbol, record.content) {
                chunk.symbols.push(Span::new(end - content.len(), end));
            }
            chunk.shared.push(Shared { span: Span::new(start, end), is_symbol });
            start = end;
        }
        chunk
    }

    /// How many records there are; they are numbered from 0.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    fn entry(&self, record: usize) -> Option<Entry> {
        self.records.get(record).copied()
    }

    /// A record as it was received, with key and length.
    pub(super) fn bytes(&self, record: usize) -> &[u8] {
        self.entry(record).map_or(&[], |entry| entry.span.of(&self.raw))
    }

    /// A series' fields; `None` for metadata.
    fn series(&self, record: usize) -> Option<&[u8]> {
        let entry = self.entry(record).filter(|entry| entry.kind == Kind::Series)?;
        let bytes = entry.span.of(&self.raw);
        bytes.get(message::prefix(bytes)?.bytes..)
    }

    /// Whether the record is a series.
    pub(super) fn is_series(&self, record: usize) -> bool {
        self.entry(record).is_some_and(|entry| entry.kind == Kind::Series)
    }

    /// Whether the record is larger than anything that can be sent.
    pub(super) fn is_cut_off(&self, record: usize) -> bool {
        self.entry(record).is_some_and(|entry| entry.cut_off)
    }

    /// A series' labels; `None` if it is metadata, damaged or monstrous.
    pub(super) fn labels(&self, record: usize) -> Option<Vec<Label<'_>>> {
        let series = self.series(record)?;
        match self.message {
            Message::V1 => message::labels_v1(series),
            Message::V2 => message::labels_v2(series, |symbol| {
                self.symbols.get(symbol).map(|span| span.of(&self.raw))
            }),
        }
    }

    /// A series' samples; none for metadata.
    pub(super) fn samples(&self, record: usize) -> Samples {
        let series = self.series(record);
        series.map_or_else(Samples::default, |series| message::samples(self.message, series))
    }

    /// A message with these records alone.
    pub(super) fn piece(&self, records: &[usize]) -> Vec<u8> {
        let series = records.iter().filter_map(|record| self.series(*record));
        let mut used = symbols::used(self.symbols.len(), series).into_iter();
        let bytes: usize = records.iter().map(|record| self.bytes(*record).len()).sum();
        let mut piece = Vec::with_capacity(bytes + self.shared_bytes());
        for shared in &self.shared {
            let needed = !shared.is_symbol || used.next().unwrap_or(true);
            piece.extend_from_slice(if needed {
                shared.span.of(&self.raw)
            } else {
                symbols::EMPTY
            });
        }
        for record in records {
            piece.extend_from_slice(self.bytes(*record));
        }
        piece
    }

    /// What every piece carries at most beside its own records, in bytes.
    pub(super) fn shared_bytes(&self) -> usize {
        self.shared.last().map_or(0, |shared| shared.span.end as usize)
    }

    /// A name for a record, for people.
    pub(super) fn name(&self, record: usize) -> String {
        match self.labels(record) {
            Some(labels) => message::name(&labels),
            None if self.is_series(record) => "a series that cannot be read".to_owned(),
            None => "metadata".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
