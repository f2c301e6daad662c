//! Saves what can be saved of a batch that Azure refuses as a whole.
//!
//! A batch that is too large (413) is split by series until the pieces fit. A
//! batch in which single series are to blame (400) loses those and no others:
//! series that break a documented limit are left out first, and what is still
//! refused is bisected, within a bound. Prometheus gets one answer for the
//! whole.
//!
//! This is the one place where a batch is opened. Pieces are put together from
//! the received bytes, record by record, so nothing is lost that this program
//! does not know.

mod batch;
mod blame;
mod tally;

use std::ops::Range;

use tokio::time::Instant;
use tracing::warn;

use self::{batch::Batch, tally::Tally};
use crate::{
    forward::Forwarder,
    http1::RequestHead,
    upstream::{Failure, Received},
};

/// For a batch that is refused with 400: beyond it the refusal is passed on.
/// Enough to find one bad series among some hundreds.
const MAX_PIECES_BAD: u32 = 16;
/// For a batch that is refused with 413: the largest that we take (16 MiB) in
/// pieces of half of what Azure takes (1 MiB), and the refusals on the way.
const MAX_PIECES_LARGE: u32 = 64;

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
    let claimed = snap::raw::decompress_len(body).ok()?;
    let _held = forwarder.memory.hold_elsewhere(claimed.checked_mul(2)?)?;
    let raw = snap::raw::Decoder::new().decompress_vec(body).ok()?;
    let batch = Batch::open(message, &raw)?;
    let mut order: Vec<usize> = (0..batch.len()).collect();
    let mut tally = Tally::default();
    if refused.status == 400 {
        for (index, reason) in blame::suspects(&batch, &refused.body) {
            order.retain(|kept| *kept != index);
            tally.refuse(&batch, index, reason);
        }
    }
    let mut task = Rescue { forwarder, head, batch, order, tally, deadline, left: max_pieces };
    task.begin(refused);
    let result = task.run(refused).await;
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
    async fn run(&mut self, refused: &Received) -> Result<Received, Failure> {
        let whole = 0..self.order.len();
        let mut stack = Vec::new();
        if self.tally.has_refused() && !whole.is_empty() {
            stack.push(Piece { range: whole, clears_itself: false, known_bad: false });
        } else {
            self.refused(whole, refused, &mut stack);
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
