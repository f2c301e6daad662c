//! The one listener: who is let in, and for what.
//!
//! It listens on all addresses, so that the kubelet's probes and scrapers reach
//! it, yet only the pod itself may write: both ends of the socket must be
//! loopback. The peer alone proves nothing, since a service mesh delivers
//! foreign traffic from a loopback source.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use contract::{AcceptFrom, Limits};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tracing::{debug, warn};

use crate::{
    connection::Connection, drain::Writers, forward::Forwarder, memory::Memory, metrics::Metrics,
    notices::Notices,
};

/// What all connections share.
pub(crate) struct Server {
    pub(crate) forwarder: Forwarder,
    pub(crate) memory: Arc<Memory>,
    pub(crate) writers: Writers,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Limits,
    pub(crate) accept_from: AcceptFrom,
    pub(crate) notices: Notices,
}

/// A connection's place among the others; free again when dropped.
pub(crate) struct Place {
    /// It may write: it is the pod's own, or anybody may.
    pub(crate) may_write: bool,
    /// All places are taken, and this is one of the few beyond: it is told to
    /// come again.
    pub(crate) crowded: bool,
    /// How long it may stay without a request.
    pub(crate) idle_timeout: Duration,
    _permit: OwnedSemaphorePermit,
}

/// Places for those who may not write (probes, scrapers), apart from those of
/// writers, so that no foreign flood keeps Prometheus out; and as many beyond
/// the limit in which a connection is told that it is reached.
const EXTRA_PLACES: usize = 64;
/// After a failure to accept: out of file descriptors, most likely, which only
/// time mends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

struct Places {
    writers: Arc<Semaphore>,
    crowd: Arc<Semaphore>,
    foreign: Arc<Semaphore>,
}

/// Accepts connections for ever.
pub(crate) async fn serve(listener: TcpListener, server: Arc<Server>) {
    let limit = usize::try_from(server.limits.max_connections).unwrap_or(usize::MAX);
    let places = Places {
        writers: Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))),
        crowd: Arc::new(Semaphore::new(EXTRA_PLACES)),
        foreign: Arc::new(Semaphore::new(EXTRA_PLACES)),
    };
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let Some(place) = places.find(&server, &stream, peer) else {
                    debug!(%peer, "closed a connection: every place is taken");
                    continue;
                };
                tokio::spawn(Connection::new(stream, Arc::clone(&server)).serve(place));
            }
            Err(error) => {
                if server.notices.may_say("accept").is_some() {
                    warn!("cannot accept connections: {error}");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Places {
    fn find(&self, server: &Server, stream: &TcpStream, peer: SocketAddr) -> Option<Place> {
        let local = stream.local_addr().ok();
        let may_write = server.accept_from == AcceptFrom::Any
            || (is_loopback(peer) && local.is_some_and(is_loopback));
        if !may_write {
            let permit = Arc::clone(&self.foreign).try_acquire_owned().ok()?;
            let idle_timeout = server.limits.header_timeout;
            return Some(Place { may_write, crowded: false, idle_timeout, _permit: permit });
        }
        if let Ok(permit) = Arc::clone(&self.writers).try_acquire_owned() {
            let idle_timeout = server.limits.idle_timeout;
            return Some(Place { may_write, crowded: false, idle_timeout, _permit: permit });
        }
        let permit = Arc::clone(&self.crowd).try_acquire_owned().ok()?;
        let idle_timeout = server.limits.header_timeout;
        Some(Place { may_write, crowded: true, idle_timeout, _permit: permit })
    }
}

/// Also for an IPv4 address that a dual-stack socket shows as IPv6.
fn is_loopback(address: SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.is_loopback(),
            None => address.is_loopback(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_in_every_notation() {
        let check = |text: &str, expected| {
            assert_eq!(is_loopback(SocketAddr::new(text.parse().unwrap(), 1)), expected, "{text}");
        };
        for loopback in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            check(loopback, true);
        }
        for foreign in ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "0.0.0.0", "::"] {
            check(foreign, false);
        }
    }
}
