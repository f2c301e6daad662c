//! What is opened comes out as it was, whatever it is.
#![expect(clippy::unwrap_used, reason = "this is a test, which runs below cargo-fuzz as well")]

use super::{
    batch::Batch,
    blame::{Blame, blame},
};
use crate::http1::Message;

/// Opens a decompressed batch that was refused with these words, and takes it
/// apart: each series is blamed or sent, and none is another afterwards.
pub(crate) fn keep_series(raw: &[u8], refusal: &[u8]) {
    for message in [Message::V1, Message::V2] {
        let Some(batch) = Batch::open(message, raw) else { continue };
        let Blame { order, named, broken } = blame(&batch, refusal);
        assert!(named < order.len() || batch.len() == 0, "there is nothing to send: {broken:?}");
        let mut all: Vec<usize> = broken.iter().map(|(index, _)| *index).collect();
        all.extend(&order);
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..batch.len()), "not each once: {order:?} {broken:?}");
        let (one, other) = order.split_at(order.len() / 2);
        for indexes in [one, other, &all] {
            let piece = batch.piece(indexes);
            assert!(piece.len() <= raw.len(), "a piece is larger than the whole");
            let opened = Batch::open(message, &piece).unwrap();
            let before = indexes.iter().map(|index| batch.series(*index));
            let after = (0..opened.len()).map(|index| opened.series(index));
            assert!(after.eq(before), "pieces of {message:?} are changed");
        }
    }
}
