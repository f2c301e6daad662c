//! A batch on its way, and what came of it.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::Instant;

use crate::{
    http1::Message,
    upstream::{Failure, Received},
};

/// A batch on its way.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) message: Message,
    pub(crate) body: &'a [u8],
    pub(crate) deadline: Instant,
    pub(crate) requests: &'a Requests,
}

/// The upstream requests that one attempt may still take: that of the whole batch,
/// those of its parts, and replays with another token.
pub(crate) struct Requests(AtomicU32);

/// They share Azure's limit of 15,000 a minute with everything else.
const MAX_REQUESTS: u32 = 64;

impl Requests {
    /// Those of an attempt that begins.
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(MAX_REQUESTS))
    }

    /// Takes one; `false` if none is left.
    pub(crate) fn take(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }

    /// How many are left.
    pub(super) fn left(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What came of a batch.
#[derive(Debug)]
pub(crate) enum Rescued {
    /// There was nothing to do: Azure's answer, or none.
    Answered(Result<Received, Failure>),
    /// Everything is decided. `refusal` is what Azure said to the whole, `received`
    /// is the answer for the whole, `text` says what became of it.
    Settled { received: Received, refusal: Received, any_refused: bool, text: String },
    /// There were no samples in it.
    Metadata(Received),
    /// Something is still to be done; a retry continues, or waits for something else to be
    /// accepted. A text for the sender.
    Unfinished { refusal: Received, text: String, is_waiting: bool },
    /// The refusal proves nothing about the batch.
    AboutRequest(Received),
}

impl Rescued {
    /// What Azure said to the whole batch, or why it said nothing.
    pub(crate) const fn said(&self) -> Result<&Received, &Failure> {
        match self {
            Self::Answered(result) => result.as_ref(),
            Self::Settled { refusal: received, .. }
            | Self::Unfinished { refusal: received, .. }
            | Self::Metadata(received)
            | Self::AboutRequest(received) => Ok(received),
        }
    }
}
