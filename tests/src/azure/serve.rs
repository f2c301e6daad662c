//! Connections, and the way of one request: a fault, the body, the work, the
//! log.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, request::Parts};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Service, State, entra,
    faults::{Act, Answer, Moment},
    imds, ingestion,
    respond::{Piece, break_off, respond},
};
use crate::locked;

/// A client that needs longer for its handshake is disconnected.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// No client of the stand-in sends more; the limits that Azure has are lower
/// and are checked where they belong.
const MAX_BODY: usize = 64 << 20;
/// Requests that are remembered: more than any test sends, about 100 MB.
const MAX_LOGGED: usize = 100_000;

/// A request and how it was answered.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Who was asked.
    pub service: Service,
    /// When its headers had arrived, by the stand-in's clock.
    pub at: SystemTime,
    /// The method.
    pub method: http::Method,
    /// Path and query.
    pub target: String,
    /// Every header.
    pub headers: HeaderMap,
    /// The body's length; what arrived of it, if it broke off.
    pub length: usize,
    /// The body's SHA-256.
    pub hash: [u8; 32],
    /// The answer's status; `None` where the connection was dropped.
    pub status: Option<u16>,
}

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("drop the connection")]
struct Dropped;

/// Accepts connections until the task is aborted.
pub(super) async fn serve(
    service: Service,
    listener: TcpListener,
    tls: Option<Arc<Mutex<TlsAcceptor>>>,
    state: Arc<State>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = listener.accept().await;
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors: others end meanwhile.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        state.connections.of(service).fetch_add(1, Ordering::Relaxed);
        let tls = tls.as_ref().map(|acceptor| locked(acceptor).clone());
        connections.spawn(connection(service, stream, tls, Arc::clone(&state)));
    }
}

async fn connection(
    service: Service,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    state: Arc<State>,
) {
    // Small answers must not wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    match tls {
        None => requests(service, stream, state).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE, tls.accept(stream)).await {
                requests(service, stream, state).await;
            }
        }
    }
}

async fn requests<S>(service: Service, stream: S, state: Arc<State>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let each = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { one(service, &state, request).await }
    });
    // An error is a client that went away, or a fault that was asked for.
    let _ =
        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), each).await;
}

async fn one(
    service: Service,
    state: &State,
    request: Request<Incoming>,
) -> Result<Response<Piece>, Dropped> {
    let at = state.clock.now();
    let fault = state.faults.of(service).next();
    let (delay, reading, act) = fault
        .map_or((Duration::ZERO, Duration::ZERO, Act::Work), |fault| {
            (fault.delay, fault.reading, fault.act)
        });
    let (parts, body) = request.into_parts();
    sleep(delay).await;
    if matches!(act, Act::Drop(Moment::BeforeBody)) {
        log(state, service, at, &parts, &[], None);
        return Err(Dropped);
    }
    if service == Service::Ingestion
        && matches!(act, Act::Work)
        && let Some(answer) = ingestion::early(state, &parts)
    {
        log(state, service, at, &parts, &[], Some(&answer));
        return Ok(respond(&answer));
    }
    let (body, whole) = if matches!(act, Act::Drop(Moment::MidBody)) {
        (first_piece(body).await, false)
    } else {
        read(body, reading).await
    };
    let (answer, sent) = if whole {
        act_on(act, state, service, &parts, &body).await
    } else {
        (None, Sent::Nothing)
    };
    log(state, service, at, &parts, &body, answer.as_ref().filter(|_| sent != Sent::Nothing));
    match (answer, sent) {
        (Some(answer), Sent::Whole) => Ok(respond(&answer)),
        (Some(answer), Sent::Half) => Ok(break_off(&answer)),
        _ => Err(Dropped),
    }
}

/// How much of an answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Nothing,
    Half,
    Whole,
}

async fn act_on(
    act: Act,
    state: &State,
    service: Service,
    parts: &Parts,
    body: &[u8],
) -> (Option<Answer>, Sent) {
    let work = || match service {
        Service::Imds => imds::answer(state, parts),
        Service::Entra => entra::answer(state, parts, body),
        Service::Ingestion => ingestion::answer(state, parts, body),
    };
    match act {
        Act::Work => (Some(work()), Sent::Whole),
        Act::Answer(answer) => (Some(answer), Sent::Whole),
        Act::Hang => std::future::pending().await,
        Act::Drop(Moment::AfterWork) => (Some(work()), Sent::Nothing),
        Act::Drop(Moment::MidAnswer) => (Some(work()), Sent::Half),
        Act::Drop(Moment::BeforeBody | Moment::MidBody | Moment::AfterBody) => {
            (None, Sent::Nothing)
        }
    }
}

async fn first_piece(mut body: Incoming) -> Bytes {
    let frame = body.frame().await.and_then(Result::ok);
    frame.and_then(|frame| frame.into_data().ok()).unwrap_or_default()
}

/// The body, and whether all of it came.
async fn read(mut body: Incoming, pause: Duration) -> (Bytes, bool) {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return (bytes.freeze(), false) };
        if let Some(piece) = frame.data_ref() {
            bytes.extend_from_slice(piece);
        }
        if bytes.len() > MAX_BODY {
            return (bytes.freeze(), false);
        }
        sleep(pause).await;
    }
    (bytes.freeze(), true)
}

fn log(
    state: &State,
    service: Service,
    at: SystemTime,
    parts: &Parts,
    body: &[u8],
    answer: Option<&Answer>,
) {
    state.tally.count(service, answer);
    let mut log = locked(&state.log);
    if log.len() >= MAX_LOGGED {
        log.pop_front();
    }
    log.push_back(Logged {
        service,
        at,
        method: parts.method.clone(),
        target: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: parts.headers.clone(),
        length: body.len(),
        hash: Sha256::digest(body).into(),
        status: answer.map(|answer| answer.status),
    });
}
