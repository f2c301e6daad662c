//! New connections to the ingestion endpoint.

use std::{future::poll_fn, sync::Arc, time::Duration};

use contract::{IngestionUrl, Proxy};
use http::Uri;
use hyper_util::{
    client::{
        legacy::connect::{HttpConnector, proxy::Tunnel},
        proxy::matcher::Intercept,
    },
    rt::TokioIo,
};
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::{Failure, connection::Connection, stream::Stream};
use crate::{proxy::proxy_for, trust::TlsConfig};

/// How a connection is made: where to, through what, and with which trust.
pub(super) struct Connector {
    destination: Uri,
    tcp: HttpConnector,
    proxy: Option<Intercept>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// For names, addresses and handshake each: a tenth of a second is usual, and
/// what takes longer than this is better tried again.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// Unanswered data for so long means that the way is gone: less than the
/// deadline of a request, so that the next one finds a new connection.
const UNANSWERED_TIMEOUT: Duration = Duration::from_secs(20);

impl Connector {
    pub(super) fn new(url: &IngestionUrl, proxy: Option<&Proxy>, tls: &TlsConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(STEP_TIMEOUT));
        tcp.set_keepalive(Some(UNANSWERED_TIMEOUT));
        tcp.set_tcp_user_timeout(Some(UNANSWERED_TIMEOUT));
        let name = ServerName::try_from(url.host()).ok().filter(|_| url.is_https());
        let host = url.url().host_str().unwrap_or_default();
        let scheme = url.url().scheme();
        let destination = format!("{scheme}://{host}:{}", url.port());
        let destination: Uri = destination.parse().unwrap_or_default();
        Self {
            proxy: proxy_for(proxy, &destination),
            destination,
            tcp,
            tls: name.map(|name| (TlsConnector::from(Arc::clone(tls.upstream())), name)),
        }
    }

    pub(super) async fn connect(&self) -> Result<Connection, Failure> {
        let tcp = self.tcp().await?;
        Ok(Connection::new(self.secure(tcp).await?))
    }

    /// Puts TLS on a connection, unless the destination is spoken to plainly.
    pub(super) async fn secure(&self, tcp: TcpStream) -> Result<Stream, Failure> {
        let Some((connector, name)) = &self.tls else {
            return Ok(Stream::Plain(tcp));
        };
        let handshake = connector.connect(name.clone(), tcp);
        let mut stream = timeout(STEP_TIMEOUT, handshake)
            .await
            .map_err(|_| Failure::Timeout)?
            .map_err(Failure::Tls)?;
        // A burst is flushed before the next is given, so that no limit is
        // needed; with one, rustls would write twice per burst.
        stream.get_mut().1.set_buffer_limit(None);
        Ok(Stream::Tls(Box::new(stream)))
    }

    /// A connection to the destination, through the proxy if there is one.
    pub(super) async fn tcp(&self) -> Result<TcpStream, Failure> {
        let destination = self.destination.clone();
        let connected = match &self.proxy {
            None => call(self.tcp.clone(), destination).await,
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), self.tcp.clone());
                if let Some(credentials) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(credentials.clone());
                }
                match timeout(STEP_TIMEOUT, call(tunnel, destination)).await {
                    Ok(connected) => connected,
                    Err(_) => return Err(Failure::Timeout),
                }
            }
        };
        connected.map(TokioIo::into_inner).map_err(Failure::Connect)
    }
}

async fn call<S>(
    mut service: S,
    destination: Uri,
) -> Result<TokioIo<TcpStream>, Box<dyn std::error::Error + Send + Sync>>
where
    S: Service<Uri, Response = TokioIo<TcpStream>>,
    S::Error: std::error::Error + Send + Sync + 'static,
{
    poll_fn(|context| service.poll_ready(context)).await?;
    Ok(service.call(destination).await?)
}
