//! The way to a token service: straight, or through a forward proxy.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use contract::Proxy;
use http::Uri;
use hyper_util::{
    client::legacy::connect::{HttpConnector, proxy::Tunnel},
    rt::TokioIo,
};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::proxy::proxy_for;

/// Opens TCP connections; TLS is put on top of them, so that a proxy sees
/// neither assertion nor token.
#[derive(Clone, Debug)]
pub(super) enum Route {
    /// To the service itself.
    Direct(HttpConnector),
    /// Through a proxy's `CONNECT`.
    Tunnel {
        /// The proxy's host and port, without a password.
        proxy: String,
        /// What connects.
        tunnel: Box<Tunnel<HttpConnector>>,
    },
}

impl Route {
    /// Straight to whatever is asked for.
    pub(super) fn direct(connect_timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // Without it, a request in two segments waits for an acknowledgement.
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        Self::Direct(tcp)
    }

    /// Through `proxy`, if `destination` is reached through it.
    pub(super) fn through(self, proxy: Option<&Proxy>, destination: &Uri) -> Self {
        match (self, proxy_for(proxy, destination)) {
            (Self::Direct(tcp), Some(proxy)) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), tcp);
                if let Some(credentials) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(credentials.clone());
                }
                let host = proxy.uri().host().unwrap_or_default();
                let port = proxy.uri().port_u16().unwrap_or(80);
                Self::Tunnel { proxy: format!("{host}:{port}"), tunnel: Box::new(tunnel) }
            }
            (route, _) => route,
        }
    }

    /// The proxy's host and port.
    pub(super) fn proxy(&self) -> Option<&str> {
        match self {
            Self::Direct(_) => None,
            Self::Tunnel { proxy, .. } => Some(proxy),
        }
    }
}

type BoxError = Box<dyn Error + Send + Sync>;
type Connecting = Pin<Box<dyn Future<Output = Result<TokioIo<TcpStream>, BoxError>> + Send>>;

impl Service<Uri> for Route {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Connecting;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Direct(tcp) => tcp.poll_ready(context).map_err(Into::into),
            Self::Tunnel { tunnel, .. } => tunnel.poll_ready(context).map_err(Into::into),
        }
    }

    fn call(&mut self, destination: Uri) -> Connecting {
        match self {
            Self::Direct(tcp) => {
                let connecting = tcp.call(destination);
                Box::pin(async move { Ok(connecting.await?) })
            }
            Self::Tunnel { tunnel, .. } => {
                let connecting = tunnel.call(destination);
                Box::pin(async move { Ok(connecting.await?) })
            }
        }
    }
}
