//! One connection: handshake, requests, end.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::{
    Version,
    header::{CONNECTION, HeaderValue},
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
};

use super::{Phase, Server};
use crate::metrics::{Closed, ConnectionMetrics};

/// A connection that has answered nothing for so long is closed, whatever it was
/// doing: idle, silent after its handshake, or sending a request's head. Longer than
/// the 90 s after which API servers close an idle one themselves (client-go's
/// `IdleConnTimeout`), so that no review is on its way when this side closes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(100);
/// Anyone who keeps a connection for longer than that may have sent a request at that
/// very moment: it is still answered, and no one waits longer than this for it.
const IDLE_PATIENCE: Duration = Duration::from_secs(5);
/// A connection that has to make room gets a notice, and has one round trip to complete
/// what crossed with it.
const DISPLACED_PATIENCE: Duration = Duration::from_millis(100);
/// A request's head in HTTP/2. API servers send about 300 bytes. By default it is 16 KiB.
const MAX_HEAD_BYTES: u32 = 8 << 10;
/// What is read at once of HTTP/1.1, and its head, which must fit in. hyper takes
/// nothing below 8 KiB, and has 400 KiB by default.
const READ_BYTES: usize = 16 << 10;
/// The amount that HTTP/2 lets a client send before it is read: a usual review, and a
/// body of any size in turns. By default it is 1 MiB.
const WINDOW_BYTES: u32 = 64 << 10;
/// Requests at the same time on one connection; an API server with more opens another
/// connection. By default it is 200.
const MAX_STREAMS: u32 = 16;

pub(super) async fn serve(stream: TcpStream, server: Arc<Server>, phase: watch::Receiver<Phase>) {
    let _open = server.metrics.as_ref().map(ConnectionMetrics::open);
    match &server.handshakes {
        None => requests(stream, &server, phase).await,
        Some(handshakes) => {
            if let Some(stream) = handshakes.complete(stream).await {
                requests(stream, &server, phase).await;
            }
        }
    }
}

async fn requests<S>(stream: S, server: &Server, mut phase: watch::Receiver<Phase>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (slot, displaces) = server.connections.take();
    if displaces && server.displaced.is_due() {
        tracing::warn!(
            "closed the least recently used connection, because all slots are in use: if this continues, something floods this port (webhook.clientCA in the chart admits API servers only)"
        );
    }
    let router = TowerToHyperService::new(server.router.clone());
    let leaving = phase.clone();
    let service = service_fn(|request| {
        let answering = slot.answering();
        let version = request.version();
        let answer = router.call(request);
        let leaving = leaving.clone();
        async move {
            let mut answer = answer.await?;
            // HTTP/2 has GOAWAY, which meets nothing on its way.
            if *leaving.borrow() >= Phase::Leaving && version <= Version::HTTP_11 {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            drop(answering);
            Ok::<_, Infallible>(answer)
        }
    });
    let protocol = protocol();
    let mut serving = std::pin::pin!(protocol.serve_connection(TokioIo::new(stream), service));
    let (closed, patience) = tokio::select! {
        // How a connection is closed is its client's business.
        _ = serving.as_mut() => return,
        () = slot.idle(IDLE_TIMEOUT) => (Closed::Idle, IDLE_PATIENCE),
        () = slot.displaced() => (Closed::Displaced, DISPLACED_PATIENCE),
        _ = phase.wait_for(|phase| *phase == Phase::Draining) => (Closed::Shutdown, server.drain),
    };
    if let Some(metrics) = &server.metrics {
        metrics.closed(closed);
    }
    let lingers = closed != Closed::Displaced || server.lingering.try_acquire().is_ok();
    serving.as_mut().graceful_shutdown();
    if lingers {
        let _ = tokio::time::timeout(patience, serving).await;
    }
}

/// HTTP/1.1 and HTTP/2, with bounds on what a connection can make us hold next to the
/// bodies that are counted.
fn protocol() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(READ_BYTES);
    builder
        .http2()
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES);
    builder
}
