//! A request's head, read within time and memory.

use std::{io, mem::MaybeUninit, time::Duration};

use tokio::{
    io::ReadBuf,
    time::{Instant, timeout, timeout_at},
};

use super::{Connection, READ_BYTES};
use crate::{
    answer::Answer,
    http1::{HeadError, MAX_HEAD_BYTES, RequestHead, parse_request},
    memory::Share,
    metrics::Refusal,
    outcome,
};

/// Why there is no request.
pub(super) enum NoRequest {
    /// The client has disconnected, or was silent for too long.
    Silent,
    /// It began a head that is not served.
    Bad(BadHead),
}

/// Why a head is not served.
pub(super) enum BadHead {
    /// It sent something that is not a request, or is too large.
    Unreadable(HeadError),
    /// It began a head and did not finish it in time.
    Slow,
    /// It began a head and closed the connection.
    Gone,
    /// Others hold the memory for large heads.
    NoMemory,
}

/// For a head that is too large: an operator has to change the sender or what is
/// in between.
const RETRY_TOO_LARGE: Duration = Duration::from_secs(5);

impl Connection {
    /// The next head, and when its first byte was seen. While nothing arrives,
    /// no buffer is held.
    pub(super) async fn read_head(&mut self) -> Result<(RequestHead, Instant), NoRequest> {
        if self.input.is_empty() {
            // A client that connects wants to send something: a flood of silent ones must
            // not keep their slots for as long as Prometheus keeps its own.
            let first = self.slot.idle_timeout.min(self.shared.limits.header_timeout);
            let limit = if self.served { self.slot.idle_timeout } else { first };
            let read = timeout(limit, self.first_bytes()).await;
            if !matches!(read, Ok(Ok(1..))) {
                return Err(NoRequest::Silent);
            }
        }
        let begun = Instant::now();
        let deadline = begun + self.shared.limits.header_timeout;
        let mut large: Option<Share> = None;
        loop {
            let parsed = parse_request(&self.input);
            if let Some((head, length)) = parsed.map_err(|error| bad(BadHead::Unreadable(error)))? {
                self.input.drain(..length);
                return Ok((head, begun));
            }
            if self.input.len() >= READ_BYTES && large.is_none() {
                large = self.shared.buffers.hold_elsewhere(MAX_HEAD_BYTES + READ_BYTES);
                if large.is_none() {
                    return Err(bad(BadHead::NoMemory));
                }
            }
            match timeout_at(deadline, self.fill()).await {
                Ok(Ok(read)) if read > 0 => {}
                Ok(_) => return Err(bad(BadHead::Gone)),
                Err(_) => return Err(bad(BadHead::Slow)),
            }
        }
    }

    /// Reads once something has arrived; without a buffer until then.
    async fn first_bytes(&mut self) -> io::Result<usize> {
        loop {
            self.stream.readable().await?;
            match self.read_what_is_there() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }

    /// A stream is often reported as readable when it is not: memory is only taken for
    /// what was read.
    fn read_what_is_there(&mut self) -> io::Result<usize> {
        let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        let read = self.stream.try_read_buf(&mut buffer)?;
        self.input.extend_from_slice(buffer.filled());
        Ok(read)
    }
}

const fn bad(head: BadHead) -> NoRequest {
    NoRequest::Bad(head)
}

impl BadHead {
    /// The reason, for metrics and the log.
    pub(super) const fn reason(&self) -> Refusal {
        match self {
            Self::Unreadable(HeadError::TooLarge) => Refusal::HeadTooLarge,
            Self::Unreadable(HeadError::Malformed | HeadError::Tls | HeadError::Contradictory) => {
                Refusal::MalformedHead
            }
            Self::Slow => Refusal::SlowHead,
            Self::Gone => Refusal::ClientGone,
            Self::NoMemory => Refusal::InFlightLimit,
        }
    }

    /// The response to the client, if it is still connected. A sender is asked to retry
    /// wherever it may have sent a batch: 408 and 431 would make it drop that.
    pub(super) fn answer(&self) -> Answer {
        let answer = match self {
            Self::Unreadable(error @ HeadError::TooLarge) => {
                let text = format!(
                    "{error}: remove headers from the sender's remote_write, or from the proxy that adds them"
                );
                Answer::retry(503, RETRY_TOO_LARGE, text)
            }
            Self::Unreadable(error) => Answer::text(400, error.to_string()),
            Self::Slow => outcome::busy("the time for a request's head (HEADER_TIMEOUT)"),
            Self::Gone => {
                Answer::text(400, "the client closed the connection within a request's head")
            }
            Self::NoMemory => outcome::busy("the memory for large heads"),
        };
        answer.closing()
    }
}
