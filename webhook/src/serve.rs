//! The TLS listener: accepts, bounds, serves, drains.

mod handshake;

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use tokio::{
    io::AsyncBufReadExt,
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;

use crate::metrics::Metrics;
use handshake::Failures;

/// The API server gives up after `timeoutSeconds`, which is 5: a handshake that
/// takes longer than this is of no use to it, and whoever waits for a place that
/// half-open connections hold gets one in time.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);
/// Nor does it take longer to send a request's head, or its first byte.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A peer that has gone without a word is noticed within twice this time.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Each API server keeps a few connections; this bounds what anybody else in
/// the cluster can make us hold (some 50 KiB each).
const MAX_CONNECTIONS: usize = 256;
/// A pause after a failed `accept`: no file descriptors are left, and asking
/// again at once would burn the CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` until `shutdown`, then lets what is under way end, for at
/// most `drain`.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    router: Router,
    metrics: &Metrics,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) {
    let acceptor = TlsAcceptor::from(tls);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let failures = Arc::new(Failures::new(metrics.handshake_failures()));
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut shutdown => break,
        };
        let Some((stream, place)) = accepted else { continue };
        let open = metrics.connection();
        let (acceptor, router) = (acceptor.clone(), router.clone());
        let (failures, watcher) = (failures.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _held = (place, open);
            connection(stream, acceptor, router, &failures, watcher).await;
        });
    }
    drop(listener);
    if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(seconds = drain.as_secs(), "stopped while requests were under way");
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are small and awaited.
            let _ = stream.set_nodelay(true);
            Some((stream, place))
        }
        Err(error) => {
            tracing::warn!(%error, "could not accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    failures: &Failures,
    watcher: Watcher,
) {
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream));
    let mut stream = match handshake.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return failures.record(Some(&error)),
        Err(_) => return failures.record(None),
    };
    // Which protocol is spoken shows in the first bytes: hyper waits for them
    // without end.
    let first = tokio::time::timeout(HEAD_TIMEOUT, stream.fill_buf()).await;
    if !matches!(first, Ok(Ok(_))) {
        return;
    }
    let builder = builder();
    let service = TowerToHyperService::new(router);
    let serving = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    // How a connection ends is its client's business.
    let _ = watcher.watch(serving).await;
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    builder
}
