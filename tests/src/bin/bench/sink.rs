//! Where every contender posts to: TLS, reads all, answers 204.
//!
//! It runs on its own thread, so its CPU time is no one's.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tests::{
    failure::{Context, Outcome},
    keys::authority::Authority,
};
use tokio::{net::TcpListener, runtime::Builder};
use tokio_rustls::TlsAcceptor;

/// A running sink.
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    /// The authority that signed its certificate, PEM.
    pub(crate) trust: String,
    received: Arc<Received>,
}

/// What has arrived whole and behind a bearer token.
#[derive(Debug, Default)]
struct Received {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Sink {
    pub(crate) fn start() -> Outcome<Self> {
        let authority = Authority::new("bench sink authority")?;
        let mut tls = authority.server(&["localhost"])?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let listener = std::net::TcpListener::bind("127.0.0.1:0").context("listen")?;
        listener.set_nonblocking(true).context("listen")?;
        let address = listener.local_addr().context("listen")?;
        let received = Arc::new(Received::default());
        let shared = Arc::clone(&received);
        let runtime = Builder::new_current_thread().enable_all().build().context("run the sink")?;
        thread::Builder::new()
            .name("sink".to_owned())
            .spawn(move || runtime.block_on(serve(listener, Arc::new(tls).into(), shared)))
            .context("run the sink")?;
        Ok(Self { address, trust: authority.pem(), received })
    }

    /// Requests and their bodies' bytes so far.
    pub(crate) fn received(&self) -> (u64, u64) {
        let Received { requests, bytes } = &*self.received;
        (requests.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed))
    }
}

async fn serve(listener: std::net::TcpListener, tls: TlsAcceptor, received: Arc<Received>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, received) = (tls.clone(), Arc::clone(&received));
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let Ok(stream) = tls.accept(stream).await else { return };
            let answer = service_fn(|request| answer(request, &received));
            // However it ends, the contender sees it.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    received: &Received,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let bearer = request.headers().get(AUTHORIZATION);
    let authorized = bearer.is_some_and(|value| value.as_bytes().starts_with(b"Bearer "));
    let mut body = request.into_body();
    let mut length = 0;
    let mut whole = true;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => length += frame.data_ref().map_or(0, Bytes::len) as u64,
            Err(_) => whole = false,
        }
    }
    let status = match (authorized, whole) {
        (true, true) => StatusCode::NO_CONTENT,
        (false, _) => StatusCode::UNAUTHORIZED,
        (_, false) => StatusCode::BAD_REQUEST,
    };
    if status == StatusCode::NO_CONTENT {
        received.requests.fetch_add(1, Ordering::Relaxed);
        received.bytes.fetch_add(length, Ordering::Relaxed);
    }
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = status;
    Ok(answer)
}
