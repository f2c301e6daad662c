//! The symbols of version 2.0 that a piece of a batch needs.
//!
//! Series refer to their texts by position in one table, which may be the larger
//! part of a batch: a piece with the whole table might never be small enough. So
//! symbols that a piece does not use are emptied and keep their position; the
//! series stay as they were received.

use super::message::{Record, numbers};

/// The record of an empty symbol: field 4, of length 0.
pub(super) const EMPTY: &[u8] = &[0x22, 0];

/// The last field of a series that is known; one beyond it may refer to symbols.
const LAST_KNOWN_FIELD: u32 = 6;

/// For each of `count` symbols whether one of `series` uses it. Where a series is
/// not understood, all are.
pub(super) fn used<'a>(count: usize, series: impl Iterator<Item = &'a [u8]>) -> Vec<bool> {
    let mut used = vec![false; count];
    if count == 0 {
        return used;
    }
    let mut mark = |number: u64| {
        let found = usize::try_from(number).ok().and_then(|index| used.get_mut(index));
        if let Some(used) = found {
            *used = true;
        }
    };
    for bytes in series {
        if mark_all(bytes, &mut mark).is_none() {
            return vec![true; count];
        }
    }
    used
}

/// Marks what one series refers to: labels, exemplars' labels, and the texts of
/// its metadata. `None` if it is not understood.
fn mark_all(series: &[u8], mark: &mut impl FnMut(u64)) -> Option<()> {
    let mut read = 0;
    for record in Record::all(series) {
        read += record.bytes.len();
        let nested = || Record::all(record.content.unwrap_or_default());
        match record.field {
            1 => numbers(record).for_each(&mut *mark),
            4 => nested().filter(|one| one.field == 1).flat_map(numbers).for_each(&mut *mark),
            5 => nested()
                .filter(|one| matches!(one.field, 3 | 4))
                .flat_map(numbers)
                .for_each(&mut *mark),
            field if field > LAST_KNOWN_FIELD => return None,
            _ => {}
        }
    }
    (read == series.len()).then_some(())
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    /// `io.prometheus.write.v2.TimeSeries`, as far as it refers to symbols.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Series {
        #[prost(uint32, repeated, tag = "1")]
        labels: Vec<u32>,
        #[prost(message, repeated, tag = "4")]
        exemplars: Vec<Exemplar>,
        #[prost(message, optional, tag = "5")]
        metadata: Option<Metadata>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct Exemplar {
        #[prost(uint32, repeated, tag = "1")]
        labels: Vec<u32>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct Metadata {
        #[prost(uint32, tag = "3")]
        help: u32,
        #[prost(uint32, tag = "4")]
        unit: u32,
    }

    #[test]
    fn every_kind_of_reference_counts() {
        let series = Series {
            labels: vec![1, 2],
            exemplars: vec![Exemplar { labels: vec![4] }],
            metadata: Some(Metadata { help: 6, unit: 7 }),
        };
        let bytes = series.encode_to_vec();
        let expected = [false, true, true, false, true, false, true, true, false];
        assert_eq!(used(9, [bytes.as_slice()].into_iter()), expected);
    }

    #[test]
    fn a_series_that_is_not_understood_may_use_everything() {
        for series in [&[0x38, 1][..], &[0xff], &[0x0a, 9, 1]] {
            assert_eq!(used(2, [series].into_iter()), [true, true], "{series:?}");
        }
        assert_eq!(used(2, [&[0x08, 1][..], &[0x08, 77]].into_iter()), [false, true]);
    }
}
