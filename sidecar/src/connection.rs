//! One connection: requests in, answers out, in turn.

mod body;
mod other;

use std::{io, sync::Arc, time::Duration};

use contract::Limits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

use self::{
    body::BodyError,
    other::{not_allowed, nothing_here},
};
use crate::{
    answer::Answer,
    drain::{Writer, Writers},
    forward::{Forwarder, refuse},
    http1::{Framing, HeadError, MAX_HEAD_BYTES, Method, RequestHead, Route, parse_request},
    notices::Notices,
    outcome,
    place::Place,
};

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) forwarder: Forwarder,
    pub(crate) writers: Writers,
    pub(crate) limits: Limits,
    pub(crate) notices: Notices,
}

/// A connection, and what was read from it but not yet understood.
pub(crate) struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    shared: Arc<Shared>,
    /// Set once it has carried a write.
    writer: Option<Writer>,
    /// It has carried a request.
    served: bool,
}

/// Why there is no request.
enum NoRequest {
    /// The client has gone, or has been silent for too long.
    Gone,
    /// What it sent is no request.
    Bad(HeadError),
    /// It began a head and did not finish it.
    Slow,
}

/// So much is read at once where heads are read: most of them, and their body's
/// beginning.
const READ_BYTES: usize = 4 << 10;
/// After an answer before the end of a request: so much is still read and
/// thrown away, for so long, since to close on unread data would reset the
/// connection and take the answer with it.
const LINGER_BYTES: u64 = 32 << 20;
const LINGER_TIME: Duration = Duration::from_secs(2);

impl Connection {
    pub(crate) fn new(stream: TcpStream, shared: Arc<Shared>) -> Self {
        Self { stream, input: Vec::new(), shared, writer: None, served: false }
    }

    /// Serves requests until either side has had enough.
    pub(crate) async fn serve(mut self, place: Place) {
        let _ = self.stream.set_nodelay(true);
        self.shared.forwarder.metrics.connections.inc();
        let _ = self.answer_requests(&place).await;
        self.shared.forwarder.metrics.connections.dec();
    }

    /// Ends with an error where the client has gone.
    async fn answer_requests(&mut self, place: &Place) -> io::Result<()> {
        loop {
            let (head, begun) = match self.read_head(place).await {
                Ok(read) => read,
                Err(NoRequest::Gone) => return Ok(()),
                Err(NoRequest::Bad(error)) => {
                    let status = if error == HeadError::TooLarge { 431 } else { 400 };
                    self.write(&Answer::text(status, error.to_string()).closing(), true).await?;
                    return self.linger().await;
                }
                Err(NoRequest::Slow) => {
                    // Not 408, on which Prometheus would drop its batch.
                    let limit = "the time for a request's head (HEADER_TIMEOUT)";
                    self.write(&outcome::busy(limit).closing(), true).await?;
                    return self.linger().await;
                }
            };
            self.served = true;
            let mut answer = self.answer(&head, begun, place).await?;
            if place.crowded || !head.keep_alive {
                answer = answer.closing();
            }
            self.write(&answer, head.method != Method::Head).await?;
            if answer.closes() {
                if let Some(writer) = &mut self.writer {
                    writer.sent_away();
                }
                return self.linger().await;
            }
        }
    }

    async fn answer(
        &mut self,
        head: &RequestHead,
        begun: Instant,
        place: &Place,
    ) -> io::Result<Answer> {
        let answer = match (head.route, head.method) {
            (Route::Write, Method::Post) => return self.answer_write(head, begun, place).await,
            (Route::Write, _) => not_allowed("POST"),
            // Others may find its target malformed, and end the connection.
            (Route::Unknown, _) => nothing_here().closing(),
            (_, Method::Post | Method::Other) => not_allowed("GET, HEAD"),
            (Route::Health, _) => Answer::text(200, "ok"),
            (Route::Ready, _) => self.answer_ready(),
            (Route::Metrics, _) => self.answer_metrics(head),
        };
        // A body that nobody asked for is not read.
        Ok(if head.framing == Framing::Empty { answer } else { answer.closing() })
    }

    async fn answer_write(
        &mut self,
        head: &RequestHead,
        begun: Instant,
        place: &Place,
    ) -> io::Result<Answer> {
        if !place.may_write {
            let text = "writes are accepted from this pod alone (ACCEPT_FROM=loopback)";
            return Ok(self.refuse("foreign_peer", Answer::text(403, text)));
        }
        if place.crowded {
            return Ok(self.refuse("connection_limit", outcome::busy("MAX_CONNECTIONS")));
        }
        if self.writer.is_none() {
            self.writer = Some(self.shared.writers.add());
        }
        let shared = Arc::clone(&self.shared);
        let deadline = begun + shared.limits.upstream_timeout;
        shared.forwarder.metrics.in_flight_requests.inc();
        let read = self.read_body(head, deadline).await;
        let (answer, bytes) = match &read {
            Ok(body) => (shared.forwarder.forward(head, body, deadline).await, body.len()),
            Err(BodyError::Gone(_)) => (Answer::text(400, "the body broke off").closing(), 0),
            Err(error) => (self.refuse(error.reason(), error.answer(&shared.limits)), 0),
        };
        shared.forwarder.metrics.in_flight_requests.dec();
        if let Err(BodyError::Gone(error)) = read {
            return Err(error);
        }
        let took = begun.elapsed();
        shared.forwarder.metrics.request_seconds.observe(took.as_secs_f64());
        shared.forwarder.metrics.received_bytes.inc_by(bytes as u64);
        shared.forwarder.summary.add(answer.status(), bytes, took);
        Ok(answer)
    }

    /// Refuses a request whose body was not read to its end.
    fn refuse(&self, reason: &'static str, answer: Answer) -> Answer {
        let Shared { forwarder, notices, .. } = &*self.shared;
        refuse(&forwarder.metrics, notices, reason, answer).closing()
    }

    /// The next head, and when its first byte was seen.
    async fn read_head(&mut self, place: &Place) -> Result<(RequestHead, Instant), NoRequest> {
        if self.input.is_empty() {
            // Who connects has something to say: a flood of those who have not
            // shall not keep their places for as long as Prometheus keeps its own.
            let first = place.idle_timeout.min(self.shared.limits.header_timeout);
            let limit = if self.served { place.idle_timeout } else { first };
            let silent = timeout(limit, self.fill()).await;
            match silent {
                Ok(Ok(read)) if read > 0 => {}
                _ => return Err(NoRequest::Gone),
            }
        }
        let begun = Instant::now();
        let deadline = begun + self.shared.limits.header_timeout;
        loop {
            if let Some((head, length)) = parse_request(&self.input).map_err(NoRequest::Bad)? {
                self.input.drain(..length);
                return Ok((head, begun));
            }
            match timeout_at(deadline, self.fill()).await {
                Ok(Ok(read)) if read > 0 => {}
                Ok(_) => return Err(NoRequest::Gone),
                Err(_) => return Err(NoRequest::Slow),
            }
        }
    }

    /// Reads some bytes behind those held; 0 at the connection's end.
    async fn fill(&mut self) -> io::Result<usize> {
        debug_assert!(self.input.len() <= MAX_HEAD_BYTES + READ_BYTES, "heads are bounded");
        self.input.reserve(READ_BYTES);
        self.stream.read_buf(&mut self.input).await
    }

    /// A client that does not take its answer is no reason to wait.
    async fn write(&mut self, answer: &Answer, with_body: bool) -> io::Result<()> {
        let bytes = answer.encode(with_body);
        timeout(self.shared.limits.header_timeout, self.stream.write_all(&bytes)).await?
    }

    async fn linger(&mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let mut rest = (&mut self.stream).take(LINGER_BYTES);
        let _ = timeout(LINGER_TIME, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
        Ok(())
    }
}
