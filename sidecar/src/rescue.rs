//! Saves what can be saved of a batch that Azure refuses as a whole.
//!
//! A batch that is too large (413) is split by series until the pieces fit. A
//! batch in which single series are to blame (400) loses those and no others:
//! series that break a documented limit are left out first, and what is still
//! refused is bisected, within a bound; those that the refusal names are tried
//! last, each for itself. Prometheus gets one answer for the
//! whole.
//!
//! This is the one place where a batch is opened. Pieces are put together from
//! the received bytes, record by record, so nothing is lost that this program
//! does not know.

mod batch;
mod blame;
#[cfg(any(test, fuzzing))]
pub(crate) mod conservation;
mod symbols;
mod tally;

use std::ops::Range;

use tokio::time::Instant;
use tracing::warn;

use self::{batch::Batch, blame::Blame, tally::Tally};
use crate::{
    forward::Forwarder,
    http1::RequestHead,
    upstream::{Failure, Received},
};

/// Words for why single series are refused, for metrics.
pub(crate) const REASONS: [&str; 11] = [
    "duplicate",
    "duplicate_label",
    "label",
    "label_name_too_long",
    "label_value_too_long",
    "metric_name_too_long",
    "not_tried",
    "other",
    "out_of_order",
    "too_large",
    "too_many_labels",
];

/// For a batch that is refused with 400: beyond it the refusal is passed on.
/// Enough to find one bad series among some hundreds.
const MAX_PIECES_BAD: u32 = 16;
/// For a batch that is refused with 413: the largest that we take (16 MiB) in
/// pieces of half of what Azure takes (1 MiB), and the refusals on the way.
const MAX_PIECES_LARGE: u32 = 64;

/// So much more than its length may be held for a body that is being received.
const UNEVENNESS: usize = 1 << 20;

/// A part of a batch that is still to be sent.
struct Piece {
    range: Range<usize>,
    /// The first half of what was refused with 400: if it is accepted, the
    /// second half is to blame.
    clears_itself: bool,
    /// It was found to be to blame without being sent.
    known_bad: bool,
}

/// What became of a batch, if it could be opened at all.
pub(crate) async fn rescue(
    forwarder: &Forwarder,
    head: &RequestHead,
    body: &[u8],
    refused: &Received,
    deadline: Instant,
) -> Option<Result<Received, Failure>> {
    let max_pieces = match refused.status {
        413 => MAX_PIECES_LARGE,
        400 if !blame::is_age(&refused.body) => MAX_PIECES_BAD,
        _ => return None,
    };
    let message = head.message().ok()?;
    // What the pieces need is held from here on: the batch and its pieces'
    // bytes, which together are about twice the batch.
    let needed = snap::raw::decompress_len(body).ok()?.checked_mul(2)?;
    if !forwarder.memory.could_hold(needed + body.len() + UNEVENNESS) {
        return None;
    }
    let Some(_held) = forwarder.memory.hold_elsewhere(needed) else {
        return Some(Err(Failure::NoMemory));
    };
    let raw = snap::raw::Decoder::new().decompress_vec(body).ok()?;
    let batch = Batch::open(message, &raw)?;
    let Blame { order, named, broken } = match refused.status {
        400 => blame::blame(&batch, &refused.body),
        _ => Blame::nobody(batch.len()),
    };
    let mut tally = Tally::default();
    for (index, reason) in broken {
        tally.refuse(&batch, index, reason);
    }
    let mut task = Rescue { forwarder, head, batch, order, tally, deadline, left: max_pieces };
    task.begin(refused);
    let result = task.run(refused, named).await;
    task.report();
    Some(result)
}

struct Rescue<'a> {
    forwarder: &'a Forwarder,
    head: &'a RequestHead,
    batch: Batch<'a>,
    /// The series that are sent: pieces are ranges of this.
    order: Vec<usize>,
    tally: Tally,
    deadline: Instant,
    /// Requests that may still be made.
    left: u32,
}

impl Rescue<'_> {
    fn begin(&self, refused: &Received) {
        if refused.status == 413 {
            self.forwarder.metrics.splits.inc();
        }
    }

    /// Sends pieces until all are accepted or refused for good; ends early where
    /// Prometheus will send the whole batch again anyway.
    /// The last `named` series are those that the refusal names.
    async fn run(&mut self, refused: &Received, named: usize) -> Result<Received, Failure> {
        let others = 0..self.order.len().saturating_sub(named);
        let mut stack = Vec::new();
        if named > 0 {
            let range = others.end..self.order.len();
            stack.push(Piece { range, clears_itself: false, known_bad: true });
        }
        if (self.tally.has_refused() || named > 0) && !others.is_empty() {
            stack.push(Piece { range: others, clears_itself: false, known_bad: false });
        } else {
            self.refused(others, refused, &mut stack);
        }
        while let Some(piece) = stack.pop() {
            if piece.known_bad && piece.range.len() > 1 {
                self.refused(piece.range, refused, &mut stack);
                continue;
            }
            if self.left == 0 {
                self.tally.give_up(&self.batch, self.order.get(piece.range).unwrap_or_default());
                continue;
            }
            self.left -= 1;
            let received = self.send(piece.range.clone()).await?;
            match received.status {
                200..=299 => {
                    let saved = self.order.get(piece.range).unwrap_or_default();
                    self.tally.save(&self.batch, saved, &received);
                    if let Some(second) = stack.last_mut().filter(|_| piece.clears_itself) {
                        second.known_bad = true;
                    }
                }
                400 | 413 => self.refused(piece.range, &received, &mut stack),
                _ => return Ok(received),
            }
        }
        Ok(self.tally.answer(refused))
    }

    /// A piece was refused: its halves are tried, or its one series is to blame.
    fn refused(&mut self, range: Range<usize>, received: &Received, stack: &mut Vec<Piece>) {
        if let [index] = self.order.get(range.clone()).unwrap_or_default() {
            self.tally.refuse(&self.batch, *index, blame::reason(received));
            return;
        }
        let middle = range.start + range.len() / 2;
        let halves = [middle..range.end, range.start..middle];
        for (range, is_first) in halves.into_iter().zip([false, true]) {
            if !range.is_empty() {
                let clears_itself = is_first && received.status == 400;
                stack.push(Piece { range, clears_itself, known_bad: false });
            }
        }
    }

    async fn send(&self, range: Range<usize>) -> Result<Received, Failure> {
        let raw = self.batch.piece(self.order.get(range).unwrap_or_default());
        let body = snap::raw::Encoder::new().compress_vec(&raw).unwrap_or_default();
        let Some(token) = self.forwarder.tokens.get(self.deadline).await else {
            return Err(Failure::Timeout);
        };
        self.forwarder.send(self.head, &body, &token, self.deadline).await
    }

    fn report(&self) {
        self.tally.count(&self.forwarder.metrics);
        if self.tally.has_refused()
            && let Some(held_back) = self.forwarder.notices.may_say("refused_series")
        {
            warn!(held_back, "{}", self.tally.describe());
        }
    }
}
