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
mod probe;

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use contract::IngestionUrl;
use http::HeaderValue;
use prometheus_client::metrics::counter::Counter;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

#[cfg(any(test, fuzzing))]
pub(crate) use self::connection::differential::{Peer, compare as compare_answers};
use self::connection::{Connection, ExchangeError};
pub(crate) use self::probe::Handshake;
use crate::{
    dial::{Destination, DialError, Dialer},
    http1::HeadError,
    redact,
};

/// Azure's response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) status: u16,
    /// Allow-listed header fields: name in lower case, value.
    pub(crate) fields: Vec<(String, String)>,
    /// The body's beginning.
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// A header field's value; `name` in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// No connection: the name, the network or the host.
    #[error("connect to the ingestion endpoint")]
    Connect(#[source] DialError),
    /// No TLS: a certificate that is not trusted, or a peer that speaks none.
    #[error("connect securely to the ingestion endpoint")]
    Tls(#[source] DialError),
    /// The connection broke before an answer.
    #[error("exchange a request with the ingestion endpoint")]
    Broken(#[source] io::Error),
    /// The answer is not HTTP.
    #[error("read the ingestion endpoint's answer")]
    Unreadable(#[source] HeadError),
    /// Success with a web page: something in between answered, which stored nothing.
    #[error("find the ingestion endpoint behind a web page (status {0})")]
    Page(u16),
    /// The time was over.
    #[error("wait for the ingestion endpoint")]
    Timeout,
    /// There was no token to send the request with.
    #[error("obtain a token: {0}")]
    NoToken(String),
    /// There was an answer that concerns parts of the batch, and no memory just
    /// now to look at these.
    #[error("open the batch that Azure refused: MAX_IN_FLIGHT_BYTES is reached")]
    NoMemory,
    /// The batch is to be searched, and as many are as may be.
    #[error("search the batch that Azure refused: so many are refused that this one must wait")]
    Busy,
    /// The same batch is still being sent in parts for an earlier request.
    #[error("send a batch twice at once: an earlier request with it is not answered yet")]
    UnderWay,
}

impl Failure {
    /// A word for it, for metrics.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Broken(_) => "broken",
            Self::Unreadable(_) => "unreadable",
            Self::Page(_) => "page",
            Self::Timeout => "timeout",
            Self::NoToken(_) => "no_token",
            Self::NoMemory => "in_flight_limit",
            Self::Busy => "search_limit",
            Self::UnderWay => "under_way",
        }
    }

    /// Whether it is one of our limits, and not of Azure.
    pub(crate) const fn is_our_limit(&self) -> bool {
        matches!(self, Self::NoMemory | Self::Busy | Self::UnderWay)
    }
}

/// The way to the ingestion endpoint.
pub(crate) struct Upstream {
    dialer: Dialer,
    destination: Destination,
    /// Counts the requests.
    requests: Counter,
    /// Request line and host, the same for every request.
    prologue: Vec<u8>,
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
        let destination = Destination::of(url_text);
        let max_idle = MAX_IDLE_CONNECTIONS / destinations;
        Self { dialer, destination, requests, prologue, idle: Mutex::default(), max_idle }
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
        let exchanged = timeout_at(deadline, self.exchange(&head, body, deadline)).await;
        let mut received = exchanged.unwrap_or_else(|_| {
            // Whatever swallowed this request may hold the others, too.
            self.forget_idle(|_| true);
            Err(Failure::Timeout)
        })?;
        redact::answer(&mut received, authorization.as_bytes());
        let is_page = received.field("content-type").is_some_and(|kind| kind.contains("html"));
        match received.status {
            status @ 200..=299 if is_page => Err(Failure::Page(status)),
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
    ) -> Result<Received, Failure> {
        if let Some(connection) = self.take_idle().await {
            match self.exchange_on(connection, head, body, deadline).await {
                Err(ExchangeError::BeforeAnswer(_)) => {}
                other => return other.map_err(Failure::from),
            }
        }
        let connection = self.connect().await?;
        self.exchange_on(connection, head, body, deadline).await.map_err(Failure::from)
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let generation = self.dialer.trust().generation();
        let stream = self.dialer.connect(&self.destination).await?;
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
        let (received, reusable) = connection.exchange(head, body, deadline).await?;
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

impl From<DialError> for Failure {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Tls { .. } => Self::Tls(error),
            _ => Self::Connect(error),
        }
    }
}

impl From<ExchangeError> for Failure {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::BeforeAnswer(error) | ExchangeError::WithinAnswer(error) => {
                Self::Broken(error)
            }
            ExchangeError::Unreadable(error) => Self::Unreadable(error),
        }
    }
}
