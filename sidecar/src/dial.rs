//! Connections to Azure: direct or through a forward proxy, with TLS or without.
//!
//! The only module that opens connections, for samples, tokens and `check`. The
//! URL's scheme decides about TLS, and it fails closed: a host that TLS cannot
//! verify gets no connection, instead of one without TLS.

mod error;
mod origin;
mod proxy;
mod stream;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use contract::{Proxy, ServerName};
use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use rustls::pki_types;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    task::{JoinSet, spawn_blocking},
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;

pub(crate) use self::{
    error::{DialError, with_causes},
    origin::Origin,
    proxy::ForwardProxy,
    stream::Stream,
};
use crate::{
    metrics::{Dial, DialCounters, DialFamily},
    trust::Trust,
};

/// For a name: a resolver waits 5 s before it asks its next server.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// For a connection, for a proxy's answer and for a TLS handshake, each: a tenth of
/// a second is usual, and after this long a new attempt is better.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// For a connection to the metadata service, which is on the same node and answers
/// in milliseconds. What blocks it drops packets.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
/// A name's next address is tried in parallel after this long (RFC 8305, 5).
const NEXT_ADDRESS_DELAY: Duration = Duration::from_millis(250);
/// A connection whose data is not acknowledged for this long is closed: less than
/// the deadline of a request, so that the next one gets a new connection.
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(20);
/// The system's resolver cannot be interrupted: a lookup that hangs keeps its thread.
/// Further ones wait for one of these.
const MAX_LOOKUPS: usize = 4;

/// Opens connections.
#[derive(Clone)]
pub(crate) struct Dialer {
    /// `None`: everything is reached directly.
    proxy: Option<Arc<Matcher>>,
    trust: Trust,
    lookups: Arc<Semaphore>,
    connect_timeout: Duration,
    counters: DialCounters,
    /// The name that TLS asks for and verifies, if it is not the host's.
    server_name: Option<Arc<str>>,
    /// Whom it connects to, for metrics.
    peer: &'static str,
}

impl Dialer {
    /// For the ingestion endpoint.
    pub(crate) fn new(proxy: Option<&Proxy>, trust: &Trust, counters: &DialCounters) -> Self {
        Self {
            proxy: proxy.map(|proxy| Arc::new(proxy::matcher(proxy))),
            trust: trust.clone(),
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            connect_timeout: STEP_TIMEOUT,
            counters: counters.clone(),
            server_name: None,
            peer: Dial::INGESTION,
        }
    }

    /// The same for Entra.
    pub(crate) fn for_authority(&self) -> Self {
        Self { peer: Dial::AUTHORITY, ..self.clone() }
    }

    /// The same for the metadata service: never through a proxy, which would be on
    /// another node.
    pub(crate) fn for_metadata(&self) -> Self {
        let connect_timeout = METADATA_TIMEOUT;
        Self { peer: Dial::METADATA, proxy: None, connect_timeout, ..self.clone() }
    }

    /// The same for whoever stands in for Entra within the cluster: never through a
    /// proxy, which would be elsewhere. TLS asks for `name` if there is one.
    pub(crate) fn for_token_proxy(&self, name: Option<&ServerName>) -> Self {
        let without_dot = |name: &str| name.strip_suffix('.').unwrap_or(name).into();
        let server_name = name.map(|name| without_dot(name.as_str()));
        Self { proxy: None, server_name, ..self.for_authority() }
    }

    /// The same with other trusted roots.
    pub(crate) fn trusting(&self, trust: Trust) -> Self {
        Self { trust, ..self.clone() }
    }

    /// What connections are verified with.
    pub(crate) const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The proxy that `origin` is reached through. Loopback is reached
    /// directly, whatever `NO_PROXY` says.
    pub(crate) fn proxy_for(&self, origin: &Origin) -> Option<ForwardProxy> {
        let matcher = self.proxy.as_ref().filter(|_| !origin.is_loopback())?;
        let scheme = if origin.tls { "https" } else { "http" };
        let authority = proxy::authority(origin.name(), origin.port);
        let uri: Uri = format!("{scheme}://{authority}").parse().ok()?;
        matcher.intercept(&uri).map(|intercept| ForwardProxy::from(&intercept))
    }

    /// A connection that requests can be sent on.
    pub(crate) async fn connect(&self, origin: &Origin) -> Result<Stream, DialError> {
        let tcp = self.tcp(origin).await?;
        self.secure(origin, tcp).await
    }

    /// A connection to `origin` before TLS, through the proxy if there is one.
    pub(crate) async fn tcp(&self, origin: &Origin) -> Result<TcpStream, DialError> {
        let connected = match self.proxy_for(origin) {
            None => self.connect_to(&origin.host, origin.port).await,
            Some(proxy) => self.connect_through(&proxy, origin).await,
        };
        self.count(&self.counters.connections, connected.as_ref().err());
        connected
    }

    /// Puts TLS on a connection, unless the URL's scheme is http.
    pub(crate) async fn secure(
        &self,
        origin: &Origin,
        tcp: TcpStream,
    ) -> Result<Stream, DialError> {
        if !origin.tls {
            return Ok(Stream::Plain(tcp));
        }
        let shake_hands = async {
            let name = self.server_name.as_deref().unwrap_or_else(|| origin.name());
            let name = pki_types::ServerName::try_from(name.to_owned());
            let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            TlsConnector::from(self.trust.client()).connect(name, tcp).await
        };
        let secured = in_time(STEP_TIMEOUT, shake_hands).await.map_err(|source| DialError::Tls {
            host: origin.host.clone(),
            roots: self.trust.place().to_owned(),
            source,
        });
        self.count(&self.counters.handshakes, secured.as_ref().err());
        let mut stream = secured?;
        // A burst is flushed before the next is given, so that no limit is
        // needed; with one, rustls would write twice per burst.
        stream.get_mut().1.set_buffer_limit(None);
        Ok(Stream::Tls(Box::new(stream)))
    }

    /// The addresses of a host, in the order in which they are tried.
    pub(crate) async fn lookup(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![(address, port).into()]);
        }
        let name = (host.to_owned(), port);
        let lookup = async {
            let permit =
                Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
            let found = spawn_blocking(move || {
                let found = name.to_socket_addrs();
                drop(permit);
                found
            });
            let found: Vec<SocketAddr> = found.await.map_err(io::Error::other)??.collect();
            if found.is_empty() { Err(io::Error::other("it has no address")) } else { Ok(found) }
        };
        in_time(LOOKUP_TIMEOUT, lookup)
            .await
            .map_err(|source| DialError::Lookup { host: host.to_owned(), source })
    }

    async fn connect_to(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let addresses = self.lookup(host, port).await?;
        in_time(self.connect_timeout, first_of(addresses))
            .await
            .map_err(|source| DialError::Connect { address: proxy::authority(host, port), source })
    }

    async fn connect_through(
        &self,
        proxy: &ForwardProxy,
        origin: &Origin,
    ) -> Result<TcpStream, DialError> {
        let failed = |source| DialError::Proxy { proxy: proxy.to_string(), source };
        let connected = self.connect_to(proxy.host(), proxy.port()).await;
        let mut stream = connected.map_err(|error| failed(error.into_io()))?;
        let target = origin.authority();
        let asked = proxy.ask(&mut stream, &target);
        let status = in_time(STEP_TIMEOUT, asked).await.map_err(failed)?;
        if (200..300).contains(&status) {
            return Ok(stream);
        }
        Err(DialError::Refused { proxy: proxy.to_string(), target, status })
    }

    fn count(&self, family: &DialFamily, failed: Option<&DialError>) {
        let result = failed.map_or(Dial::OK, DialError::reason);
        let (peer, destination) = (self.peer, Arc::clone(&self.counters.destination));
        family.get_or_create(&Dial { peer, result, destination }).inc();
    }
}

/// Prints no password.
impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// The first connection that one of these addresses accepts. The next one is tried
/// when one fails, or in parallel when it takes long.
async fn first_of(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut failed = io::Error::other("it has no address");
    loop {
        if let Some(address) = addresses.next() {
            attempts.spawn(TcpStream::connect(address));
        }
        tokio::select! {
            attempt = attempts.join_next() => match attempt {
                Some(Ok(Ok(stream))) => {
                    prepare(&stream)?;
                    return Ok(stream);
                }
                Some(Ok(Err(error))) => failed = error,
                Some(Err(error)) => failed = error.into(),
                None => return Err(failed),
            },
            () = sleep(NEXT_ADDRESS_DELAY), if addresses.len() > 0 => {}
        }
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    // Without it, a request in two segments waits for an acknowledgement.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(UNACKNOWLEDGED_TIMEOUT))?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_TIMEOUT))
}

async fn in_time<T>(limit: Duration, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, step).await.unwrap_or_else(|_| {
        let text = format!("no answer within {} s", limit.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

#[cfg(test)]
mod tests;
