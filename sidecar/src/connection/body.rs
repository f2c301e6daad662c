//! A request's body, read within time and memory.

use std::{io, sync::Arc};

use contract::Limits;
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, timeout_at},
};

use super::Connection;
use crate::{
    answer::Answer,
    http1::{self, ChunkError, Chunked, Framing, RequestHead},
    memory::{Held, Memory},
    metrics::Refusal,
    outcome,
};

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum BodyError {
    /// The client has gone.
    Gone(io::Error),
    /// The deadline passed.
    Slow,
    /// Larger than one request may be.
    TooLarge,
    /// All requests together would need more memory than they may.
    NoMemory,
    /// Its chunks are none.
    Malformed(ChunkError),
}

/// While memory is ample, a body whose length is known gets its memory at once up
/// to here, which is the most that Azure takes. Otherwise memory grows with what
/// arrives, so that slow senders hold no more than they sent.
const STEP_BYTES: usize = 1 << 20;
/// The first step otherwise; the next ones double what is held.
const SMALL_STEP_BYTES: usize = 4 << 10;

impl Connection {
    /// Reads the body that `head` announces.
    pub(super) async fn read_body(
        &mut self,
        head: &RequestHead,
        memory: &Arc<Memory>,
        deadline: Instant,
    ) -> Result<Held, BodyError> {
        let reading = async {
            match head.framing {
                Framing::Chunked => self.read_chunks(head, memory).await,
                Framing::Length(length) => self.read_length(head, memory, length).await,
                Framing::Empty | Framing::UntilClose => hold(memory, 0),
            }
        };
        timeout_at(deadline, reading).await.unwrap_or(Err(BodyError::Slow))
    }

    async fn read_length(
        &mut self,
        head: &RequestHead,
        memory: &Arc<Memory>,
        length: u64,
    ) -> Result<Held, BodyError> {
        if length > self.shared.limits.max_request.bytes() {
            return Err(BodyError::TooLarge);
        }
        let length = usize::try_from(length).map_err(|_| BodyError::TooLarge)?;
        let step = if memory.is_ample() { STEP_BYTES } else { SMALL_STEP_BYTES };
        let mut body = hold(memory, length.min(step))?;
        self.invite(head).await?;
        let arrived = length.min(self.input.len());
        grow(&mut body, arrived)?;
        body.append(arrived, |body| http1::take(&mut self.input, arrived, body));
        while body.len() < length {
            let missing = length - body.len();
            if body.room() == 0 {
                let step = body.len().clamp(SMALL_STEP_BYTES, STEP_BYTES);
                grow(&mut body, missing.min(step))?;
            }
            ended(body.read(&mut self.stream, missing).await)?;
        }
        Ok(body)
    }

    async fn read_chunks(
        &mut self,
        head: &RequestHead,
        memory: &Arc<Memory>,
    ) -> Result<Held, BodyError> {
        let mut body = hold(memory, SMALL_STEP_BYTES)?;
        let (mut chunked, mut piece) = (Chunked::default(), Vec::new());
        self.invite(head).await?;
        loop {
            piece.clear();
            let used = chunked.decode(&self.input, &mut piece).map_err(BodyError::Malformed)?;
            self.input.drain(..used);
            if body.len() + piece.len() > self.shared.limits.max_request.length() {
                return Err(BodyError::TooLarge);
            }
            if !body.extend(&piece) {
                return Err(BodyError::NoMemory);
            }
            if chunked.is_done() {
                return Ok(body);
            }
            ended(self.fill().await)?;
        }
    }

    /// Tells a client that waits for it to send its body.
    async fn invite(&mut self, head: &RequestHead) -> Result<(), BodyError> {
        if head.expects_continue && self.input.is_empty() {
            let line = b"HTTP/1.1 100 Continue\r\n\r\n";
            self.stream.write_all(line).await.map_err(BodyError::Gone)?;
        }
        Ok(())
    }
}

fn hold(memory: &Arc<Memory>, bytes: usize) -> Result<Held, BodyError> {
    memory.hold(bytes).ok_or(BodyError::NoMemory)
}

fn grow(body: &mut Held, more: usize) -> Result<(), BodyError> {
    if body.make_room(more) { Ok(()) } else { Err(BodyError::NoMemory) }
}

/// Nothing read is the client's end.
fn ended(read: io::Result<usize>) -> Result<(), BodyError> {
    match read {
        Ok(0) => Err(BodyError::Gone(io::ErrorKind::UnexpectedEof.into())),
        Ok(_) => Ok(()),
        Err(error) => Err(BodyError::Gone(error)),
    }
}

impl BodyError {
    /// The reason, for metrics and the log.
    pub(super) const fn reason(&self) -> Refusal {
        match self {
            Self::Gone(_) => Refusal::ClientGone,
            Self::Slow => Refusal::SlowBody,
            Self::TooLarge => Refusal::RequestTooLarge,
            Self::NoMemory => Refusal::InFlightLimit,
            Self::Malformed(_) => Refusal::MalformedChunks,
        }
    }

    /// The response to the client, if it is still connected.
    pub(super) fn answer(&self, limits: &Limits) -> Answer {
        match self {
            Self::Slow => outcome::busy("the time for a request (UPSTREAM_TIMEOUT)"),
            Self::NoMemory => outcome::busy("MAX_IN_FLIGHT_BYTES"),
            Self::TooLarge => Answer::text(
                413,
                format!(
                    "the body is larger than MAX_REQUEST_BYTES={}: lower max_samples_per_send in Prometheus' remote_write queue_config",
                    limits.max_request
                ),
            ),
            Self::Malformed(error) => Answer::text(400, error.to_string()),
            Self::Gone(error) => Answer::text(
                400,
                format!("the client closed the connection within a request's body: {error}"),
            ),
        }
    }
}
