//! One connection to the ingestion endpoint: a request out, its answer in.

#[cfg(any(test, fuzzing))]
pub(crate) mod differential;
mod large;

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, timeout_at},
};

pub(super) use self::large::LargeAnswers;
use self::large::Permit;
use super::Received;
use crate::{
    dial::Stream,
    http1::{self, Chunked, Framing, HeadError, ResponseHead, parse_response},
};

/// A connection, and what was read from it but not yet understood.
pub(super) struct Connection {
    stream: Stream,
    input: Vec<u8>,
    /// Of the roots that it was verified with.
    pub(super) generation: u64,
}

/// Why an exchange came to nothing.
#[derive(Debug, Error)]
pub(super) enum ExchangeError {
    /// No byte of an answer came: on a kept connection, the peer most likely
    /// closed it before the request reached it.
    #[error("the connection broke before an answer")]
    BeforeAnswer(#[source] io::Error),
    /// The answer broke off within its head, or accepts what was not sent.
    #[error("the connection broke within the answer")]
    WithinAnswer(#[source] io::Error),
    /// The answer's head cannot be read.
    #[error("the answer cannot be read")]
    Unreadable(#[source] HeadError),
}

/// So much is encrypted and written at once: large enough for few system calls,
/// small enough that the encrypted copy of a body stays small.
const BURST_BYTES: usize = 64 << 10;
/// So much is read at once; answers are small. A larger one needs a permit.
const READ_BYTES: usize = 4 << 10;
/// So much of an answer's body is kept: Azure's refusals are a few hundred
/// bytes, and Prometheus shows 1 KiB.
const MAX_BODY_BYTES: usize = 16 << 10;
/// An answer's body comes with its head. One that does not is not waited for: the status
/// is known, and only its text is missing.
const MAX_BODY_TIME: Duration = Duration::from_secs(2);
/// How an interim answer begins.
const INTERIM: &[u8] = b"HTTP/1.1 1";

impl Connection {
    pub(super) fn new(stream: Stream, generation: u64) -> Self {
        Self { stream, input: Vec::new(), generation }
    }

    /// Whether the peer has neither closed the connection nor sent unsolicited data.
    pub(super) async fn is_open(&mut self) -> bool {
        let nothing_read = poll_fn(|context| Poll::Ready(self.poll_fill(context).is_pending()));
        nothing_read.await
    }

    /// Sends a request and reads its answer, whose body is not waited for beyond
    /// `deadline`; reports whether the connection can be used again.
    pub(super) async fn exchange(
        &mut self,
        head: &[u8],
        body: &[u8],
        deadline: Instant,
        large_answers: &LargeAnswers,
    ) -> Result<(Received, bool), ExchangeError> {
        let sent = self.send(head, body).await;
        let mut permit = large_answers.not_yet();
        let head = match self.read_head(&mut permit).await {
            Ok(head) => head,
            // The reason is in what failed first.
            Err(ExchangeError::BeforeAnswer(error)) => {
                return Err(ExchangeError::BeforeAnswer(sent.err().unwrap_or(error)));
            }
            Err(error) => return Err(error),
        };
        if (200..300).contains(&head.status) && !matches!(sent, Ok(true)) {
            return Err(ExchangeError::WithinAnswer(premature(head.status)));
        }
        let mut body = Vec::new();
        let until = deadline.min(Instant::now() + MAX_BODY_TIME);
        let whole = timeout_at(until, self.read_body(head.framing, &mut body, &mut permit)).await;
        body.truncate(MAX_BODY_BYTES);
        self.input.shrink_to(READ_BYTES);
        let reusable = whole == Ok(true)
            && head.keep_alive
            && matches!(sent, Ok(true))
            && self.input.is_empty();
        Ok((Received { status: head.status, fields: head.fields, body }, reusable))
    }

    /// Sends head and body; `false` where the answer began before all was sent,
    /// so that the rest was not.
    async fn send(&mut self, head: &[u8], body: &[u8]) -> io::Result<bool> {
        let (mut head, mut body) = (head, body);
        while !head.is_empty() || !body.is_empty() {
            let burst = body.get(..BURST_BYTES).unwrap_or(body);
            let sent = poll_fn(|context| {
                let slices = [IoSlice::new(head), IoSlice::new(burst)];
                match Pin::new(&mut self.stream).poll_write_vectored(context, &slices) {
                    Poll::Ready(sent) => Poll::Ready(sent.map(Some)),
                    Poll::Pending => self.poll_early_answer(context),
                }
            });
            let Some(sent) = sent.await? else { return Ok(false) };
            if sent == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            let of_head = sent.min(head.len());
            head = head.get(of_head..).unwrap_or_default();
            body = body.get(sent - of_head..).unwrap_or_default();
            let flushed = poll_fn(|context| match Pin::new(&mut self.stream).poll_flush(context) {
                Poll::Ready(flushed) => Poll::Ready(flushed.map(|()| Some(0))),
                Poll::Pending => self.poll_early_answer(context),
            });
            if flushed.await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Ready with `None` once the answer, or the connection's end, can be read.
    fn poll_early_answer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<usize>>> {
        loop {
            let ended = ready!(self.poll_fill(context))? == 0;
            let only_interim = matches!(self.parse_head(), Ok(None))
                && (self.input.is_empty() || self.input.starts_with(INTERIM));
            if ended || !only_interim || self.input.len() >= READ_BYTES {
                return Poll::Ready(Ok(None));
            }
        }
    }

    /// The head of the final answer and its length, if it is complete; interim
    /// answers before it are dropped.
    fn parse_head(&mut self) -> Result<Option<(ResponseHead, usize)>, HeadError> {
        loop {
            match parse_response(&self.input)? {
                Some((head, length)) if head.is_interim() => {
                    self.input.drain(..length);
                }
                parsed => return Ok(parsed),
            }
        }
    }

    async fn read_head(&mut self, permit: &mut Permit<'_>) -> Result<ResponseHead, ExchangeError> {
        loop {
            if let Some((head, length)) = self.parse_head().map_err(ExchangeError::Unreadable)? {
                self.input.drain(..length);
                return Ok(head);
            }
            let broken = if self.input.is_empty() {
                ExchangeError::BeforeAnswer
            } else {
                ExchangeError::WithinAnswer
            };
            permit.hold(self.input.len()).await;
            match self.fill().await {
                Ok(0) => return Err(broken(closed())),
                Ok(_) => {}
                Err(error) => return Err(broken(error)),
            }
        }
    }

    /// Appends the body's beginning to `body`, and reports whether the body was read to
    /// its end. One that is interrupted changes nothing: the status is known.
    async fn read_body(
        &mut self,
        framing: Framing,
        body: &mut Vec<u8>,
        permit: &mut Permit<'_>,
    ) -> bool {
        let mut chunked = Chunked::default();
        loop {
            let done = match framing {
                Framing::Empty => true,
                Framing::Length(length) => {
                    let missing = length.saturating_sub(body.len() as u64);
                    let take = usize::try_from(missing).unwrap_or(usize::MAX).min(self.input.len());
                    http1::take(&mut self.input, take, body);
                    body.len() as u64 == length
                }
                Framing::Chunked => match chunked.decode(&self.input, body) {
                    Ok(used) => {
                        self.input.drain(..used);
                        chunked.is_done()
                    }
                    Err(_) => return false,
                },
                Framing::UntilClose => {
                    body.append(&mut self.input);
                    false
                }
            };
            if done {
                return true;
            }
            permit.hold(body.len() + self.input.len()).await;
            if body.len() >= MAX_BODY_BYTES || !matches!(self.fill().await, Ok(read) if read > 0) {
                return false;
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|context| self.poll_fill(context)).await
    }

    /// Reads some bytes behind what is held; 0 at the connection's end.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        self.input.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

/// The peer's end of the connection, in words.
fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection without an answer")
}

/// A peer that accepts a part of a batch has stored none of it.
fn premature(status: u16) -> io::Error {
    io::Error::other(format!("it answered {status} before the batch was sent"))
}
