//! Properties of arbitrary bytes: the interface by which `fuzz/` reaches what is private,
//! in no ordinary build. Tests send the corpus through it.
//!
//! Each function panics where its claim does not hold.

use std::{cell::LazyCell, iter};

use tokio::runtime::{Builder, Runtime};

use crate::{
    http1::differential::compare as compare_requests,
    identity::Certificate,
    rescue::conservation::keep_series,
    upstream::{Peer, compare_answers},
};

/// A stream of requests, after the line of an [`Arrival`]: no write is read
/// otherwise than by hyper, and no piece of it makes a difference.
pub fn requests(input: &[u8]) {
    let disagreement = run(compare_requests(&Arrival::after_lengths(input))).err();
    assert_eq!(disagreement, None);
}

/// The response of a peer, after the line of an [`Arrival`] with one byte more before it
/// (1: the peer closes the connection, 2: it answers before it has the request): a
/// connection is kept only where hyper sees the same answer end.
pub fn answers(input: &[u8]) {
    let (flags, rest) = input.split_first().unwrap_or((&0, input));
    let answer = Arrival::after_lengths(rest);
    let peer = Peer { answer, closes: flags & 1 > 0, is_early: flags & 2 > 0 };
    let disagreement = run(compare_answers(peer)).err();
    assert_eq!(disagreement, None);
}

/// A batch, after a line with Azure's response: every series is in one piece, as it was.
pub fn batches(input: &[u8]) {
    let (refusal, batch) = line(input);
    keep_series(batch, refusal);
}

/// A certificate's file: it is used or explained.
pub fn certificates(input: &[u8]) {
    for password in ["", "s3cret-pässwörd"] {
        let _ = Certificate::from_bytes(input, password).map_err(|error| error.to_string());
    }
}

/// Bytes, and the pieces in which they arrive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    /// The pieces' lengths, again and again; all is one piece if there are none.
    lengths: &'a [u8],
    pub(crate) bytes: &'a [u8],
}

impl<'a> Arrival<'a> {
    /// All in one piece.
    pub(crate) const fn at_once(bytes: &'a [u8]) -> Self {
        Self { lengths: &[], bytes }
    }

    /// The rest after the first line, whose bytes are the pieces' lengths.
    fn after_lengths(input: &'a [u8]) -> Self {
        let (lengths, bytes) = line(input);
        Self { lengths, bytes }
    }

    pub(crate) fn pieces(self) -> impl Iterator<Item = &'a [u8]> {
        let mut lengths = self.lengths.iter().cycle();
        let mut rest = self.bytes;
        iter::from_fn(move || {
            let length = lengths.next().map_or(rest.len(), |length| usize::from(*length).max(1));
            let (piece, after) = rest.split_at(length.min(rest.len()));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        })
    }
}

/// The first line, without its end, and what comes after it.
fn line(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (line, rest) = input.split_at(end);
    (line, rest.get(1..).unwrap_or_default())
}

/// Runs what waits for nothing from outside; time passes as soon as everyone waits for
/// it.
#[expect(clippy::unwrap_used, reason = "a runtime without a driver asks nothing of the system")]
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: LazyCell<Runtime> = LazyCell::new(|| {
            let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.unwrap()
        });
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

#[cfg(test)]
mod tests;
