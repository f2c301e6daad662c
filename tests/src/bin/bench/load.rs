//! A closed loop: each connection sends its next request when it has its answer.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use ::tests::failure::{Context, Outcome};
use bytes::Bytes;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep_until,
};
use tokio_rustls::TlsConnector;

use crate::latency::Latencies;

/// Who is asked, and what: the same bytes each time.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    /// Head and body.
    pub(crate) request: Bytes,
}

/// Open connections to a target.
pub(crate) struct Load {
    target: Target,
    connections: Vec<Connection>,
}

/// What happened to the requests of a while.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Of those that were answered with a success.
    pub(crate) latencies: Latencies,
    /// Answered 503: a limit was reached.
    pub(crate) shed: u32,
    /// Answered otherwise, or not at all.
    pub(crate) failed: u32,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
}

struct Connection {
    stream: Box<dyn Stream>,
    input: Vec<u8>,
}

/// With or without TLS.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub(crate) struct Answer {
    pub(crate) status: u16,
    closes: bool,
    retry_after: Duration,
}

impl Load {
    /// Opens so many connections.
    pub(crate) async fn new(target: Target, connections: usize) -> Outcome<Self> {
        let mut open = Vec::with_capacity(connections);
        for _ in 0..connections {
            open.push(Connection::open(&target).await?);
        }
        Ok(Self { target, connections: open })
    }

    /// Sends for a while over all connections.
    pub(crate) async fn run(&mut self, time: Duration) -> Outcome<Tally> {
        let begun = Instant::now();
        let mut sending = JoinSet::new();
        for mut connection in self.connections.drain(..) {
            let target = self.target.clone();
            sending.spawn(async move {
                let tally = connection.run(&target, begun + time).await;
                (connection, tally)
            });
        }
        let mut all = Tally::default();
        while let Some(ended) = sending.join_next().await {
            let (connection, tally) = ended.context("run a connection")?;
            self.connections.push(connection);
            all.add(tally?);
        }
        all.took = begun.elapsed();
        Ok(all)
    }

    /// Sends one request after the other over the first connection; each must
    /// succeed.
    pub(crate) async fn send(&mut self, times: u32) -> Outcome<()> {
        let connection = self.connections.first_mut().context("find a connection")?;
        for _ in 0..times {
            let answer = connection.exchange(&self.target.request).await?;
            (200..300)
                .contains(&answer.status)
                .then_some(())
                .context(format!("be content with an answer {}", answer.status))?;
        }
        Ok(())
    }
}

impl Tally {
    fn add(&mut self, more: Self) {
        self.latencies.append(more.latencies);
        self.shed += more.shed;
        self.failed += more.failed;
    }
}

impl Connection {
    async fn open(target: &Target) -> Outcome<Self> {
        let stream = TcpStream::connect(target.address).await.context("connect")?;
        stream.set_nodelay(true).context("send without delay")?;
        let stream: Box<dyn Stream> = match &target.tls {
            None => Box::new(stream),
            Some(config) => {
                let name = ServerName::try_from("localhost").context("name the server")?;
                let connector = TlsConnector::from(Arc::clone(config));
                Box::new(connector.connect(name, stream).await.context("agree on TLS")?)
            }
        };
        Ok(Self { stream, input: Vec::with_capacity(16 << 10) })
    }

    async fn run(&mut self, target: &Target, until: Instant) -> Outcome<Tally> {
        let mut tally = Tally::default();
        loop {
            let sent = Instant::now();
            if sent >= until {
                return Ok(tally);
            }
            let answer = self.exchange(&target.request).await;
            match &answer {
                Ok(Answer { status: 200..300, .. }) => tally.latencies.push(sent.elapsed()),
                Ok(Answer { status: 503, retry_after, .. }) => {
                    tally.shed += 1;
                    // As Prometheus does.
                    sleep_until((Instant::now() + *retry_after).min(until).into()).await;
                }
                _ => tally.failed += 1,
            }
            if answer.is_ok_and(|answer| !answer.closes) {
                continue;
            }
            *self = Self::open(target).await?;
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> Outcome<Answer> {
        self.stream.write_all(request).await.context("send a request")?;
        self.stream.flush().await.context("send a request")?;
        self.input.clear();
        loop {
            if let Some(answer) = whole_answer(&self.input) {
                return Ok(answer);
            }
            let read = self.stream.read_buf(&mut self.input).await.context("read an answer")?;
            (read > 0).then_some(()).context("read an answer: the connection ended")?;
        }
    }
}

/// The answer, once all of it is there. Contenders announce the length of their bodies.
pub(crate) fn whole_answer(input: &[u8]) -> Option<Answer> {
    let end = input.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(input.get(..end)?).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let field = |expected: &str| {
        let fields = head.lines().filter_map(|line| line.split_once(':'));
        fields.into_iter().find_map(|(name, value)| {
            name.eq_ignore_ascii_case(expected).then(|| value.trim().to_owned())
        })
    };
    let length = field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let closes = field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let seconds = field("retry-after").and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
    let retry_after = Duration::from_secs(seconds);
    (input.len() >= end + 4 + length).then_some(Answer { status, closes, retry_after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_awaited_whole() {
        let whole = |text: &str| whole_answer(text.as_bytes()).map(|one| (one.status, one.closes));
        assert_eq!(whole("HTTP/1.1 204 No Content\r\n"), None);
        assert_eq!(whole("HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n"), Some((204, false)));
        let head =
            "HTTP/1.1 503 X\r\nContent-Length: 2\r\nConnection: close\r\nRetry-After: 3\r\n\r\n";
        assert_eq!(whole(&format!("{head}a")), None);
        assert_eq!(whole(&format!("{head}ab")), Some((503, true)));
        let answer = whole_answer(format!("{head}ab").as_bytes()).unwrap();
        assert_eq!(answer.retry_after, Duration::from_secs(3));
    }
}
