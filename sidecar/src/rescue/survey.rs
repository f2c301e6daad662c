//! A first reading of a batch that is to be opened.

use super::{
    inflate::Inflate,
    message::{self, Kind, MAX_PREFIX_BYTES, Prefix},
};
use crate::http1::Message;

/// What a first reading of a whole batch finds.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The records that every piece needs: symbols, and what is not known.
    pub(super) shared: Vec<u8>,
    shared_records: usize,
    /// Series and metadata.
    pub(super) records: usize,
    /// Whether there is a series among them.
    pub(super) has_series: bool,
    /// The bytes of all records that are not shared, and of the largest.
    bytes: usize,
    largest: usize,
    pub(super) bounds: Bounds,
}

/// How much of a batch is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// A batch of more records is not opened.
    pub(super) records: usize,
    /// One chunk's records.
    pub(super) chunk_records: usize,
    /// The same in bytes.
    pub(super) chunk_bytes: usize,
}

impl Bounds {
    /// Those of one of so many destinations, which divide memory and what is
    /// remembered.
    pub(super) const fn divided(among: usize) -> Self {
        Self {
            records: MAX_RECORDS / among,
            chunk_records: MAX_CHUNK_RECORDS / among,
            chunk_bytes: CHUNK_BYTES / among,
        }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self::divided(1)
    }
}

/// A batch of more records is not opened: Prometheus sends 2,000 series at once
/// unless it is configured otherwise, and what is noted of each takes memory.
pub(super) const MAX_RECORDS: usize = 1 << 17;
/// One chunk's records.
const MAX_CHUNK_RECORDS: usize = 1 << 14;
/// What is noted of each record of a chunk, in bytes: position, hashes, group.
const NOTED_BYTES: usize = 160;
/// A chunk's records, in bytes: large enough for one piece of the 1 MiB that Azure
/// takes, as batches usually compress, and small enough that the largest body, one
/// chunk and one piece fit into `MAX_IN_FLIGHT_BYTES`.
pub(super) const CHUNK_BYTES: usize = 3 << 20;
/// A larger record is not sent: it would hardly fit, however it compresses.
pub(super) const MAX_RECORD_BYTES: usize = 2 << 20;
/// More symbols are not held.
const MAX_SHARED_BYTES: usize = 4 << 20;

/// Why a batch is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// It is not what it claims to be.
    Damaged,
    /// It has more records, or more symbols, than are looked at.
    TooMany,
}

/// Reads a whole batch once.
pub(super) fn survey(message: Message, body: &[u8], bounds: Bounds) -> Result<Survey, Unopened> {
    let mut inflate = Inflate::new(body).ok_or(Unopened::Damaged)?;
    let mut survey = Survey { bounds, ..Survey::default() };
    while let Some(next) = next_record(&mut inflate).ok_or(Unopened::Damaged)? {
        let kind = message::kind(message, next.field, next.delimited);
        survey.add(&mut inflate, kind, next.record_bytes)?;
    }
    Ok(survey)
}

impl Survey {
    fn add(
        &mut self,
        inflate: &mut Inflate<'_>,
        kind: Kind,
        length: usize,
    ) -> Result<(), Unopened> {
        match kind {
            Kind::Series | Kind::Metadata => {
                self.records += 1;
                self.has_series |= kind == Kind::Series;
                self.bytes += length;
                self.largest = self.largest.max(length.min(MAX_RECORD_BYTES));
            }
            Kind::Symbol | Kind::Unknown => {
                self.shared_records += 1;
                if self.shared.len() + length > MAX_SHARED_BYTES {
                    return Err(Unopened::TooMany);
                }
                inflate.fill(length).ok_or(Unopened::Damaged)?;
                let record = inflate.ready().get(..length).ok_or(Unopened::Damaged)?;
                self.shared.extend_from_slice(record);
            }
        }
        if self.records + self.shared_records > self.bounds.records {
            return Err(Unopened::TooMany);
        }
        inflate.skip(length).ok_or(Unopened::Damaged)
    }

    /// The memory that an opened chunk takes beside what reading it does, in bytes.
    pub(super) fn needed(&self) -> usize {
        let noted = self.records.min(self.bounds.chunk_records) + self.shared_records;
        let shared = 2 * self.shared.len();
        self.largest + self.chunk_bytes() + shared + noted * NOTED_BYTES
    }

    /// The memory that a piece takes while it is compressed, in bytes, at most.
    pub(super) fn needed_for_piece(&self) -> usize {
        let raw = self.shared.len() + self.chunk_bytes();
        raw + snap::raw::max_compress_len(raw)
    }

    pub(super) fn chunk_bytes(&self) -> usize {
        self.bytes.min(self.bounds.chunk_bytes)
    }
}

/// How the next record begins; `Some(None)` at the end, `None` where the batch is
/// damaged.
#[expect(clippy::option_option, reason = "damaged, at the end, or a record")]
pub(super) fn next_record(inflate: &mut Inflate<'_>) -> Option<Option<Prefix>> {
    inflate.fill(MAX_PREFIX_BYTES)?;
    if inflate.is_done() { Some(None) } else { message::prefix(inflate.ready()).map(Some) }
}
