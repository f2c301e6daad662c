//! The symbols of 2.0 that a piece of a batch needs.
//!
//! Series name their texts by their places in one table, which may be the larger
//! part of a batch: a piece with the whole table might never be small enough. So
//! what a piece does not use is emptied, and keeps its place; the series stay as
//! they were received.

use prost::Message as _;

use super::batch::{MAX_SERIES_BYTES, Record};

/// The record of an empty symbol: field 4, of length 0.
pub(super) const EMPTY: &[u8] = &[0x22, 0];

/// `io.prometheus.write.v2.TimeSeries`, as far as it refers to symbols.
#[derive(Clone, PartialEq, prost::Message)]
struct References {
    #[prost(uint32, repeated, tag = "1")]
    labels: Vec<u32>,
    #[prost(message, repeated, tag = "4")]
    exemplars: Vec<Exemplar>,
    #[prost(message, optional, tag = "5")]
    metadata: Option<Metadata>,
}

/// `io.prometheus.write.v2.Exemplar`.
#[derive(Clone, PartialEq, prost::Message)]
struct Exemplar {
    #[prost(uint32, repeated, tag = "1")]
    labels: Vec<u32>,
}

/// `io.prometheus.write.v2.Metadata`.
#[derive(Clone, PartialEq, prost::Message)]
struct Metadata {
    #[prost(uint32, tag = "3")]
    help: u32,
    #[prost(uint32, tag = "4")]
    unit: u32,
}

/// The last field of a series that is known; one beyond it may refer to symbols.
const LAST_KNOWN_FIELD: u32 = 6;

/// For each of `count` symbols whether one of `series` uses it. Where a series is
/// not understood, all are.
pub(super) fn used<'a>(count: usize, series: impl Iterator<Item = &'a [u8]>) -> Vec<bool> {
    let mut used = vec![false; count];
    if count == 0 {
        return used;
    }
    for bytes in series {
        let Some(references) = understood(bytes) else { return vec![true; count] };
        let metadata = references.metadata.iter().flat_map(|one| [one.help, one.unit]);
        let exemplars = references.exemplars.iter().flat_map(|one| one.labels.iter().copied());
        for reference in references.labels.iter().copied().chain(exemplars).chain(metadata) {
            let place = usize::try_from(reference).ok().and_then(|index| used.get_mut(index));
            if let Some(place) = place {
                *place = true;
            }
        }
    }
    used
}

fn understood(series: &[u8]) -> Option<References> {
    let unknown = Record::all(series).any(|record| record.field > LAST_KNOWN_FIELD);
    if unknown || series.len() > MAX_SERIES_BYTES {
        return None;
    }
    References::decode(series).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_reference_counts() {
        let series = References {
            labels: vec![1, 2],
            exemplars: vec![Exemplar { labels: vec![4] }],
            metadata: Some(Metadata { help: 6, unit: 7 }),
        };
        let bytes = series.encode_to_vec();
        let expected = [false, true, true, false, true, false, true, true, false];
        assert_eq!(used(9, [bytes.as_slice()].into_iter()), expected);
    }

    #[test]
    fn what_is_not_understood_may_use_everything() {
        for series in [&[0x38, 1][..], &[0xff], &[0x0a, 9, 1]] {
            assert_eq!(used(2, [series].into_iter()), [true, true], "{series:?}");
        }
        assert_eq!(used(2, [&[0x08, 1][..], &[0x08, 77]].into_iter()), [false, true]);
    }
}
