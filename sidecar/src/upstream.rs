//! Posts to the ingestion endpoint, over pooled connections.
//!
//! HTTP/1.1 and not 2: hyper and similar clients put all requests of one origin on one
//! HTTP/2 connection, whose window the server controls; with a round trip of 10 ms,
//! a pool of HTTP/1.1 connections transfers many times as much.
//!
//! The body is sent from where it was received, so a replay costs nothing. The
//! response is read while sending: a rejection that comes early, followed by a
//! reset, is still seen.

mod connection;
mod dialing;
mod failure;
mod probe;
mod received;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use contract::IngestionUrl;
use http::HeaderValue;
use prometheus_client::metrics::counter::Counter;
use tokio::time::{Instant, timeout_at};

#[cfg(any(test, fuzzing))]
pub(crate) use self::connection::differential::{Peer, compare as compare_answers};
use self::{
    connection::{Connection, ExchangeError, LargeAnswers},
    dialing::{Dialing, Turn},
};
pub(crate) use self::{
    failure::Failure,
    probe::Handshake,
    received::{Meaning, Received},
};
use crate::dial::{Dialer, Origin};

/// The way to the ingestion endpoint.
pub(crate) struct Upstream {
    dialer: Dialer,
    origin: Origin,
    /// Counts the requests.
    requests: Counter,
    /// Request line and host, the same for every request.
    prologue: Vec<u8>,
    dialing: Dialing,
    large_answers: LargeAnswers,
    idle: Mutex<Vec<Idle>>,
    max_idle: usize,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Idle {
    /// Whether it may be used again: not too old, and verified with roots that are
    /// still trusted.
    fn is_usable(&self, now: Instant, generation: u64) -> bool {
        now.duration_since(self.since) <= MAX_IDLE && self.connection.generation == generation
    }
}

/// A connection that was idle for longer is not used again: shorter than the
/// idle times that load balancers are known to have (60 s and more), so that
/// a request seldom meets a connection that is being closed.
const MAX_IDLE: Duration = Duration::from_secs(50);
/// More are not kept of all destinations together: as many as Prometheus has shards at
/// the most that is recommended. Each takes about 40 KiB.
const MAX_IDLE_CONNECTIONS: usize = 200;

impl Upstream {
    /// The way to one of so many destinations.
    pub(crate) fn new(
        url: &IngestionUrl,
        dialer: Dialer,
        requests: Counter,
        destinations: usize,
    ) -> Self {
        let url_text = url.url();
        let target = match url_text.query() {
            Some(query) => format!("{}?{query}", url_text.path()),
            None => url_text.path().to_owned(),
        };
        let host = url_text.host_str().unwrap_or_default();
        let authority = match url_text.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let prologue = format!("POST {target} HTTP/1.1\r\nhost: {authority}\r\n").into_bytes();
        let origin = Origin::of(url_text);
        let max_idle = MAX_IDLE_CONNECTIONS / destinations;
        Self {
            dialer,
            origin,
            requests,
            prologue,
            dialing: Dialing::new(),
            large_answers: LargeAnswers::new(destinations),
            idle: Mutex::default(),
            max_idle,
        }
    }

    /// Posts `body` with the header fields `forwarded` (each with its line end)
    /// and `authorization`.
    pub(crate) async fn post(
        &self,
        forwarded: &[u8],
        authorization: &HeaderValue,
        body: &[u8],
        deadline: Instant,
    ) -> Result<Received, Failure> {
        let head = self.head(forwarded, authorization, body.len());
        let mut is_sent = false;
        let exchange = self.exchange(&head, body, deadline, &mut is_sent);
        let exchanged = timeout_at(deadline, exchange).await;
        let received = match exchanged {
            Ok(exchanged) => exchanged?,
            Err(_) if !is_sent => return Err(Failure::Unconnected),
            Err(_) => {
                // Whatever swallowed this request may hold the others, too.
                self.forget_idle(|_| true);
                return Err(Failure::Timeout);
            }
        };
        let received = received.redacted(authorization.as_bytes());
        match received.status {
            status @ 200..=299 if received.is_page() => Err(Failure::Page(status)),
            _ => Ok(received),
        }
    }

    /// Closes connections that are not used again.
    pub(crate) fn reap(&self, now: Instant) {
        let generation = self.dialer.trust().generation();
        self.forget_idle(|idle| !idle.is_usable(now, generation));
    }

    fn head(&self, forwarded: &[u8], authorization: &HeaderValue, length: usize) -> Vec<u8> {
        let mut head =
            Vec::with_capacity(self.prologue.len() + forwarded.len() + authorization.len() + 64);
        let length = length.to_string();
        let parts: [&[u8]; 7] = [
            &self.prologue,
            forwarded,
            b"authorization: ",
            authorization.as_bytes(),
            b"\r\ncontent-length: ",
            length.as_bytes(),
            b"\r\n\r\n",
        ];
        for part in parts {
            head.extend_from_slice(part);
        }
        head
    }

    /// A kept connection may have been closed by the peer just now: the request
    /// is then sent once more, on a new one.
    async fn exchange(
        &self,
        head: &[u8],
        body: &[u8],
        deadline: Instant,
        is_sent: &mut bool,
    ) -> Result<Received, Failure> {
        let turn = match self.kept_or_turn().await {
            Ok(connection) => {
                *is_sent = true;
                match self.exchange_on(connection, head, body, deadline).await {
                    Err(ExchangeError::BeforeAnswer(_)) => self.dialing.turn().await,
                    other => return other.map_err(Failure::from),
                }
            }
            Err(turn) => turn,
        };
        // In a box: it is large, and needed once per connection.
        let connection = turn.dial(Box::pin(self.connect())).await?;
        *is_sent = true;
        self.exchange_on(connection, head, body, deadline).await.map_err(Failure::from)
    }

    /// A kept connection, or else a turn to open one.
    async fn kept_or_turn(&self) -> Result<Connection, Turn<'_>> {
        if let Some(connection) = self.take_idle().await {
            return Ok(connection);
        }
        let turn = self.dialing.turn().await;
        // Another request may have ended in the meantime.
        self.take_idle().await.ok_or(turn)
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let generation = self.dialer.trust().generation();
        let stream = self.dialer.connect(&self.origin).await?;
        Ok(Connection::new(stream, generation))
    }

    async fn exchange_on(
        &self,
        mut connection: Connection,
        head: &[u8],
        body: &[u8],
        deadline: Instant,
    ) -> Result<Received, ExchangeError> {
        self.requests.inc();
        let (received, reusable) =
            connection.exchange(head, body, deadline, &self.large_answers).await?;
        if reusable {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < self.max_idle {
                idle.push(Idle { connection, since: Instant::now() });
            }
        }
        Ok(received)
    }

    /// The connection that was used last, if it is still open: the others get
    /// old and are closed.
    async fn take_idle(&self) -> Option<Connection> {
        let (now, generation) = (Instant::now(), self.dialer.trust().generation());
        loop {
            let mut taken = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if taken.is_usable(now, generation) && taken.connection.is_open().await {
                return Some(taken.connection);
            }
        }
    }

    fn forget_idle(&self, forget: impl Fn(&Idle) -> bool) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|kept| !forget(kept));
    }
}
