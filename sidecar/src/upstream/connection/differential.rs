//! Our reading of answers next to hyper's.
//!
//! Anyone who keeps a connection on which an answer has not ended takes what is left of
//! it for the answer to the next batch. So: where we would keep one, hyper sees the same
//! status, and the same body end at the same place without the connection's end; and
//! nowhere do we see another status than hyper does.
#![expect(clippy::unwrap_used, reason = "this is a test, which runs below cargo-fuzz as well")]

use std::{convert::Infallible, future::pending, mem::discriminant};

use http::{Method, Request};
use http_body_util::{BodyExt, Collected, Empty};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::timeout,
};

use super::*;
use crate::{fuzzing::Arrival, http1::MAX_RESPONSE_HEAD_BYTES};

/// The behaviour of a peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer<'a> {
    pub(crate) answer: Arrival<'a>,
    /// Closes the connection after its answer.
    pub(crate) closes: bool,
    /// Reads no request before it answers: what is longer than the pipe is then
    /// not sent whole.
    pub(crate) is_early: bool,
}

/// Our reading of a response: the response, and whether the connection would be used
/// again.
type Ours = Result<(Received, bool), ExchangeError>;

/// Hyper's reading of it: the status, and the body's beginning if it came to its end.
type Hypers = Option<(u16, Option<Vec<u8>>)>;

/// So much is on the way at most.
const PIPE_BYTES: usize = 4 << 10;
/// Time does not pass here while anyone has something to do.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads an answer twice; reports where the readers disagree.
pub(crate) async fn compare(peer: Peer<'_>) -> Result<(), String> {
    let ours = ours(peer).await;
    let text = String::from_utf8_lossy(peer.answer.bytes);
    if peer.answer.bytes.len() <= MAX_RESPONSE_HEAD_BYTES {
        let answer = Arrival::at_once(peer.answer.bytes);
        let at_once = self::ours(Peer { answer, ..peer }).await;
        if essence(&ours) != essence(&at_once) {
            return Err(format!("{text:?}: we read {at_once:?}, and in pieces {ours:?}"));
        }
    }
    let Ok((received, reusable)) = &ours else { return Ok(()) };
    let hypers = hypers(peer.answer.bytes, peer.closes && !reusable).await;
    let same = match &hypers {
        Some((status, body)) if *reusable => {
            *status == received.status && body.as_ref() == Some(&received.body)
        }
        Some((status, _)) => *status == received.status,
        None => !reusable,
    };
    if same { Ok(()) } else { Err(format!("{text:?}: we read {ours:?}, hyper {hypers:?}")) }
}

/// What must be the same in whatever pieces an answer arrives. Bytes behind it
/// are seen at once or when the connection is used again.
fn essence(ours: &Ours) -> impl PartialEq + use<'_> {
    let received = ours.as_ref().map(|(received, _)| (received.status, &received.body));
    received.map_err(discriminant)
}

/// Exchanges a request for the peer's answer, as `upstream` does it.
async fn ours(peer: Peer<'_>) -> Ours {
    let (near, mut far) = duplex(PIPE_BYTES);
    let mut connection = Connection::new(Stream::Memory(near), 0);
    let request = vec![0; if peer.is_early { 2 * PIPE_BYTES } else { 0 }];
    let (deadline, large) = (Instant::now() + PATIENCE, LargeAnswers::new(1));
    let exchanged = tokio::select! {
        biased;
        exchanged = timeout_at(deadline, connection.exchange(b"", &request, deadline, &large)) => exchanged,
        never = answer(peer, &mut far) => match never {},
    };
    let timeout = |_| Err(ExchangeError::WithinAnswer(io::ErrorKind::TimedOut.into()));
    let (received, reusable) = exchanged.unwrap_or_else(timeout)?;
    assert!(received.body.len() <= MAX_BODY_BYTES, "a body without bounds");
    assert!(
        connection.input.len() <= MAX_RESPONSE_HEAD_BYTES + READ_BYTES,
        "a head without bounds"
    );
    assert!(!(reusable && peer.is_early), "a connection is kept without its request's end");
    Ok((received, reusable && connection.is_open().await))
}

/// Sends the answer, piece by piece.
async fn answer(peer: Peer<'_>, far: &mut DuplexStream) -> Infallible {
    for piece in peer.answer.pieces() {
        far.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    if peer.closes {
        far.shutdown().await.unwrap();
    }
    pending().await
}

/// Sends a request by hyper, which is answered at once.
async fn hypers(answer: &[u8], closes: bool) -> Hypers {
    let (near, mut far) = duplex(answer.len().max(PIPE_BYTES));
    let (mut sender, connection) = http1::handshake(TokioIo::new(near)).await.unwrap();
    let request = Request::builder().method(Method::POST).uri("/").body(Empty::<Bytes>::new());
    let asking = async {
        let response = sender.send_request(request.unwrap()).await.ok()?;
        let status = response.status().as_u16();
        let body = timeout(PATIENCE, response.into_body().collect()).await;
        let body = body.ok().and_then(Result::ok).map(Collected::to_bytes);
        Some((status, body.map(|body| body.iter().copied().take(MAX_BODY_BYTES).collect())))
    };
    let answering = async {
        let mut request = [0; PIPE_BYTES];
        let _ = far.read(&mut request).await;
        far.write_all(answer).await.unwrap();
        if closes {
            far.shutdown().await.unwrap();
        }
        pending::<Infallible>().await
    };
    let driving = async {
        let _ = connection.with_upgrades().await;
        pending::<Infallible>().await
    };
    tokio::select! {
        asked = timeout(2 * PATIENCE, asking) => asked.ok().flatten(),
        never = answering => match never {},
        never = driving => match never {},
    }
}
