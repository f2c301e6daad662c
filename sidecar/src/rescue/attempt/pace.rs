//! What an attempt may still take, and why it ends.

use std::time::Duration;

use tokio::time::Instant;

use super::super::Requests;
use crate::upstream::{Failure, Received};

/// The requests and the time that one attempt may still take.
pub(in crate::rescue) struct Pace<'a> {
    pub(in crate::rescue) requests: &'a Requests,
    /// Pieces that may fail without ending the attempt.
    pub(in crate::rescue) faults: u32,
    /// The longest that an answer has taken.
    pub(in crate::rescue) slowest: Duration,
    pub(in crate::rescue) deadline: Instant,
}

/// How large a piece may be, in bytes.
#[derive(Clone, Copy)]
pub(in crate::rescue) struct Limits {
    /// Before compression.
    pub(in crate::rescue) raw: usize,
    /// Compressed.
    pub(in crate::rescue) compressed: usize,
}

/// Why an attempt ends before everything is decided.
#[derive(Debug)]
pub(in crate::rescue) enum Stop {
    /// This came instead of a verdict on a piece.
    Answered(Result<Received, Failure>),
    /// No time or no requests are left.
    Pace,
    /// What is left is sent once more when something else was accepted.
    Waiting,
    /// What is left is to be planned again.
    PlanAgain,
    /// Nothing at all is accepted.
    NothingAccepted,
    /// This came instead, and it is not about what was sent.
    AboutRequest(Received),
}

/// A piece is begun only if the longest answer so far, and a quarter more, fits
/// before the deadline: one that is cut off may be stored without anybody
/// knowing, and would be stored again.
const MARGIN: f64 = 1.25;
/// What an answer takes if none has been measured.
const MIN_ANSWER: Duration = Duration::from_millis(200);

impl Pace<'_> {
    /// Whether one more request may be sent.
    pub(in crate::rescue) fn allows_more(&self) -> bool {
        let answer = self.slowest.mul_f64(MARGIN).max(MIN_ANSWER);
        self.requests.left() > 0 && Instant::now() + answer < self.deadline
    }
}
