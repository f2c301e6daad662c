//! One connection: handshake, requests, end.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::{
    Version,
    header::{CONNECTION, HeaderValue},
    service::{Service as _, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
};

use super::{Phase, Server, protocol};
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
    let builder = protocol::builder();
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
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
