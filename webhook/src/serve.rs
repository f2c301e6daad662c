//! The listeners: each accepts every connection at once, limits the number of open ones,
//! serves them and drains.
//!
//! No client can keep the API server out. A connection waits for nothing but the
//! CPU: when all slots are taken, the least recently used one is closed.
//!
//! API servers speak HTTP/1.1 to webhooks, keep connections open, and do not retry a
//! review whose connection is closed: they reject the pod
//! (<https://github.com/kubernetes/kubernetes/issues/127335>). So a client always
//! learns from a response that its connection will be closed, before it is closed.

pub mod admin;
pub mod bodies;
mod connection;
mod handshake;
mod log_limit;
pub mod reload;
pub mod routes;
mod slots;
pub mod tls;

use std::{sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};

use crate::metrics::{ConnectionMetrics, Metrics};
use handshake::Handshakes;
use log_limit::LogLimit;
use slots::Slots;

/// Each API server keeps a few connections; this bounds what anyone else in the cluster
/// can make us hold (about 50 KiB each).
const MAX_CONNECTIONS: usize = 256;
/// Connections whose handshake is not complete. An API server's takes some
/// milliseconds: so many others must arrive in that time to push it out. With
/// [`MAX_CONNECTIONS`], [`MAX_LINGERING`], [`MAX_ADMIN_CONNECTIONS`] and twice
/// [`MAX_ENDING`] it stays below 1024, a container's usual limit on open files.
const MAX_HANDSHAKES: usize = 512;
/// Connections that had to make room and are being closed in order.
const MAX_LINGERING: usize = 64;
/// The kubelet and some Prometheus servers.
const MAX_ADMIN_CONNECTIONS: usize = 32;
/// Connections of a listener that have to make room and have not noticed yet, or are new:
/// with so many, the listener waits until one is closed.
const MAX_ENDING: usize = 32;
/// A pause after a failed `accept`: no file descriptors are left, and asking
/// again at once would burn the CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often the files of configuration and TLS are looked at. The kubelet itself looks
/// for a changed Secret or `ConfigMap` once a minute or so; a few seconds more don't
/// matter, and to read small files costs nothing.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The service of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It serves.
    Serving,
    /// It serves on, but each connection is closed with its next response: so all that
    /// are in use are replaced by connections to another replica.
    Leaving,
    /// It takes no more connections, closes those without a request, and lets what is in
    /// progress end.
    Draining,
}

/// The shared state of one listener's connections.
struct Server {
    /// `None` where plain HTTP is served.
    handshakes: Option<Handshakes>,
    router: Router,
    connections: Arc<Slots>,
    lingering: Semaphore,
    /// Connections that may be open at the same time.
    max_open: usize,
    displaced: LogLimit,
    /// `None` where connections are not counted.
    metrics: Option<ConnectionMetrics>,
    /// How long requests that are in progress may take after a shutdown.
    drain: Duration,
}

/// Serves `router` over TLS through all phases; the last takes at most `drain`.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    router: Router,
    metrics: &Metrics,
    phase: watch::Receiver<Phase>,
    drain: Duration,
) {
    let metrics = metrics.connections();
    let handshakes = Handshakes::new(tls, MAX_HANDSHAKES, metrics.handshake_failures.clone());
    let server = Server {
        handshakes: Some(handshakes),
        router,
        connections: Slots::new(MAX_CONNECTIONS),
        lingering: Semaphore::new(MAX_LINGERING),
        max_open: MAX_HANDSHAKES + MAX_CONNECTIONS + MAX_LINGERING + MAX_ENDING,
        displaced: LogLimit::default(),
        metrics: Some(metrics),
        drain,
    };
    accept_all(listener, server, phase).await;
}

/// Serves `router` over plain HTTP, forever.
pub async fn serve_admin(listener: TcpListener, router: Router) {
    let server = Server {
        handshakes: None,
        router,
        connections: Slots::new(MAX_ADMIN_CONNECTIONS),
        lingering: Semaphore::new(0),
        max_open: MAX_ADMIN_CONNECTIONS + MAX_ENDING,
        displaced: LogLimit::default(),
        metrics: None,
        drain: Duration::ZERO,
    };
    let (_serving, phase) = watch::channel(Phase::Serving);
    accept_all(listener, server, phase).await;
}

async fn accept_all(listener: TcpListener, server: Server, mut phase: watch::Receiver<Phase>) {
    let server = Arc::new(server);
    let connections = phase.clone();
    let mut open = JoinSet::new();
    loop {
        let stream = tokio::select! {
            stream = accept(&listener), if open.len() < server.max_open => stream,
            Some(_) = open.join_next() => continue,
            // An error means that no one is left to serve for.
            _ = phase.wait_for(|phase| *phase == Phase::Draining) => break,
        };
        if let Some(stream) = stream {
            open.spawn(connection::serve(stream, server.clone(), connections.clone()));
        }
    }
    drop(listener);
    let ended = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(server.drain, ended).await.is_err() {
        tracing::warn!(seconds = server.drain.as_secs(), "stopped with requests in flight");
    }
}

async fn accept(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are small and awaited.
            let _ = stream.set_nodelay(true);
            Some(stream)
        }
        Err(error) => {
            tracing::warn!(%error, "could not accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// An error and its cause, in one line.
fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        None => error.to_string(),
        Some(cause) => format!("{error}: {cause}"),
    }
}
