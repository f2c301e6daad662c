//! One connection: requests in, answers out, in turn.

mod body;
mod head;
mod other;
mod route;

use std::{io, sync::Arc, time::Duration};

use contract::Limits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use self::{
    body::BodyError,
    head::NoRequest,
    route::{Task, task},
};
use crate::{
    answer::Answer,
    drain::{Writer, Writers},
    forward::{Forwarder, refuse},
    http1::{Framing, Method, RequestHead},
    memory::Memory,
    metrics::{Exposition, Refusal},
    notices::Notices,
    outcome,
    slots::Slot,
};

/// What all connections share.
pub(crate) struct Shared {
    /// The unnamed destination first, if there is one; never none.
    pub(crate) destinations: Vec<Forwarder>,
    pub(crate) exposition: Exposition,
    pub(crate) writers: Writers,
    pub(crate) limits: Limits,
    /// Of the one listener, for advice.
    pub(crate) port: u16,
    /// For heads and answers that are larger than usual.
    pub(crate) buffers: Arc<Memory>,
    pub(crate) notices: Notices,
}

impl Shared {
    /// The destination of this name, which is empty for the unnamed one.
    pub(crate) fn destination(&self, name: &str) -> Option<&Forwarder> {
        self.destinations.iter().find(|one| one.metrics.name().unwrap_or_default() == name)
    }
}

/// What [`Shared::buffers`] may hold: 500 of the largest heads at once. Each
/// connection's usual buffer, [`READ_BYTES`], is bounded by the number of slots.
pub(crate) const BUFFERS_BYTES: usize = 8 << 20;

/// A connection, and what was read from it but not yet understood.
pub(crate) struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    slot: Slot,
    shared: Arc<Shared>,
    /// Set once it has carried a write.
    writer: Option<Writer>,
    /// It has carried a request.
    served: bool,
}

/// So much is read at once where heads are read: most of them, and their body's
/// beginning.
const READ_BYTES: usize = 4 << 10;
/// After an answer before the end of a request: so much is still read and
/// thrown away, for so long, since to close on unread data would reset the
/// connection and take the answer with it.
const LINGER_BYTES: u64 = 32 << 20;
const LINGER_TIME: Duration = Duration::from_secs(2);
/// What is left of an answer's body for which there is no memory.
const SHORT_ANSWER_BYTES: usize = 1 << 10;

impl Connection {
    pub(crate) fn new(stream: TcpStream, slot: Slot, shared: Arc<Shared>) -> Self {
        let _ = stream.set_nodelay(true);
        shared.exposition.connections.inc();
        Self { stream, input: Vec::new(), slot, shared, writer: None, served: false }
    }

    /// Serves requests until either side has had enough.
    pub(crate) async fn serve(mut self) {
        let _ = self.answer_requests().await;
    }

    /// Ends with an error where the client has gone.
    async fn answer_requests(&mut self) -> io::Result<()> {
        loop {
            let (head, begun) = match self.read_head().await {
                Ok(read) => read,
                Err(NoRequest::Silent) => return Ok(()),
                Err(NoRequest::Bad(error)) => {
                    let answer = self.refuse(error.reason(), error.answer());
                    self.write(answer, true).await?;
                    return self.linger().await;
                }
            };
            self.slot.serving();
            self.served = true;
            let mut answer = self.answer(&head, begun).await?;
            if self.slot.is_overflow || !head.keep_alive {
                answer = answer.closing();
            }
            self.input.shrink_to_fit();
            let closes = answer.closes();
            self.write(answer, head.method != Method::Head).await?;
            self.slot.waiting();
            if closes {
                return self.linger().await;
            }
        }
    }

    async fn answer(&mut self, head: &RequestHead, begun: Instant) -> io::Result<Answer> {
        let shared = Arc::clone(&self.shared);
        let destination = shared.destination(&head.destination);
        match (task(head, self.slot.may_write, destination.is_some()), destination) {
            (Task::Forward, Some(forwarder)) => self.answer_write(forwarder, head, begun).await,
            (other, _) => {
                let answer = self.answer_other(other, head);
                // A body that nobody asked for is not read.
                Ok(if head.framing == Framing::Empty { answer } else { answer.closing() })
            }
        }
    }

    async fn answer_write(
        &mut self,
        forwarder: &Forwarder,
        head: &RequestHead,
        begun: Instant,
    ) -> io::Result<Answer> {
        let permit = forwarder.permits.try_acquire().ok().filter(|_| !self.slot.is_overflow);
        let Some(_permit) = permit else {
            let answer =
                forwarder.refuse(Refusal::ConnectionLimit, outcome::busy("MAX_CONNECTIONS"));
            return Ok(answer.closing());
        };
        self.writer.get_or_insert_with(|| self.shared.writers.add());
        let limits = self.shared.limits;
        let deadline = begun + limits.upstream_timeout;
        let Forwarder { metrics, memory, summary, .. } = forwarder;
        metrics.in_flight_requests.inc();
        let read = self.read_body(head, memory, deadline).await;
        let (answer, bytes) = match &read {
            Ok(body) => (forwarder.forward(head, body, deadline).await, body.len()),
            Err(error) => (forwarder.refuse(error.reason(), error.answer(&limits)).closing(), 0),
        };
        metrics.in_flight_requests.dec();
        if let Err(BodyError::Gone(error)) = read {
            return Err(error);
        }
        let took = begun.elapsed();
        metrics.request_seconds.observe(took.as_secs_f64());
        metrics.received_bytes.inc_by(bytes as u64);
        summary.add(answer.status(), bytes, took);
        Ok(answer)
    }

    /// Counts and logs a request to no destination.
    fn refuse(&self, reason: Refusal, answer: Answer) -> Answer {
        let Shared { exposition, notices, .. } = &*self.shared;
        refuse(&exposition.refusals, notices, reason, answer)
    }

    /// Reads some bytes behind those held; 0 at the connection's end.
    async fn fill(&mut self) -> io::Result<usize> {
        self.input.reserve_exact(READ_BYTES);
        self.stream.read_buf(&mut self.input).await
    }

    /// A client that does not take its answer is no reason to wait.
    async fn write(&mut self, mut answer: Answer, with_body: bool) -> io::Result<()> {
        let mut held = None;
        if answer.body().len() > READ_BYTES {
            held = self.shared.buffers.hold_elsewhere(answer.body().len());
            if held.is_none() {
                answer = answer.shortened(SHORT_ANSWER_BYTES);
            }
        }
        let bytes = answer.encode(with_body);
        let limit = self.shared.limits.header_timeout;
        let written = timeout(limit, self.stream.write_all(&bytes)).await?;
        drop(held);
        written
    }

    async fn linger(&mut self) -> io::Result<()> {
        self.slot.waiting();
        self.stream.shutdown().await?;
        let mut rest = (&mut self.stream).take(LINGER_BYTES);
        let _ = timeout(LINGER_TIME, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.exposition.connections.dec();
    }
}
