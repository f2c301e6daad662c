//! A batch that is opened comes out as it was, whatever it is.
#![expect(clippy::unwrap_used, reason = "this is a test, which runs below cargo-fuzz as well")]

use super::{
    chunk::{Chunk, Chunks},
    search,
    survey::{Bounds, survey},
};
use crate::http1::Message;

/// Opens a decompressed batch that was refused with these words, and takes it
/// apart: each record is in one piece, and none is another afterwards.
pub(crate) fn keep_series(raw: &[u8], refusal: &[u8]) {
    let _ = (search::is_about_age(refusal), search::named(refusal), super::cut::limit(refusal));
    let _ = search::max_age(refusal);
    for message in [Message::V1, Message::V2] {
        for mut chunk in chunks(message, raw) {
            let all: Vec<usize> = (0..chunk.len()).collect();
            let (one, other) = all.split_at(all.len() / 2);
            for records in [one, other, &all] {
                let piece = chunk.piece(records);
                assert!(piece.len() <= raw.len(), "a piece is larger than the whole");
                keep(message, &chunk, records, &piece);
            }
            for record in all {
                let samples = chunk.samples(record).count;
                if let Some((first, second)) = chunk.divide(record, |number, _| number == 0) {
                    let counts = [first, second].map(|part| chunk.samples(part).count);
                    assert_eq!(counts, [1, samples - 1], "samples are lost");
                }
            }
        }
    }
}

fn chunks(message: Message, raw: &[u8]) -> Vec<Chunk> {
    let body = snap::raw::Encoder::new().compress_vec(raw).unwrap();
    let Ok(survey) = survey(message, &body, Bounds::default()) else { return Vec::new() };
    Chunks::new(message, &body, &survey).unwrap().collect()
}

fn keep(message: Message, chunk: &Chunk, records: &[usize], piece: &[u8]) {
    let opened = chunks(message, piece);
    let after = opened.iter().flat_map(|opened| {
        (0..opened.len()).map(move |record| (opened.labels(record), opened.samples(record)))
    });
    let before = records.iter().map(|record| (chunk.labels(*record), chunk.samples(*record)));
    assert!(after.eq(before), "pieces of {message:?} are changed");
}
