//! Who is let in, and for what.
//!
//! Only the pod itself may write: both ends of the socket must be loopback. The
//! peer alone proves nothing, since a service mesh delivers foreign traffic
//! from a loopback source.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use contract::{AcceptFrom, Limits};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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

/// All places.
pub(crate) struct Places {
    accept_from: AcceptFrom,
    limits: Limits,
    writers: Arc<Semaphore>,
    crowd: Arc<Semaphore>,
    foreign: Arc<Semaphore>,
}

/// Places for those who may not write (probes, scrapers), apart from those of
/// writers, so that no foreign flood keeps Prometheus out; and as many beyond
/// the limit in which a connection is told that it is reached.
const EXTRA_PLACES: usize = 64;

impl Places {
    pub(crate) fn new(accept_from: AcceptFrom, limits: Limits) -> Self {
        let most = usize::try_from(limits.max_connections).unwrap_or(usize::MAX);
        let places = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self {
            accept_from,
            limits,
            writers: places(most),
            crowd: places(EXTRA_PLACES),
            foreign: places(EXTRA_PLACES),
        }
    }

    /// A place for a connection between these addresses; `None` where even those
    /// beyond the limit are taken.
    pub(crate) fn find(&self, local: Option<SocketAddr>, peer: SocketAddr) -> Option<Place> {
        let may_write = self.accept_from == AcceptFrom::Any
            || (is_loopback(peer) && local.is_some_and(is_loopback));
        let short = self.limits.header_timeout;
        let place = |semaphore: &Arc<Semaphore>, crowded, idle_timeout| {
            let permit = Arc::clone(semaphore).try_acquire_owned().ok()?;
            Some(Place { may_write, crowded, idle_timeout, _permit: permit })
        };
        if !may_write {
            return place(&self.foreign, false, short);
        }
        place(&self.writers, false, self.limits.idle_timeout)
            .or_else(|| place(&self.crowd, true, short))
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
    fn both_ends_must_be_the_pods_own() {
        let places = Places::new(AcceptFrom::Loopback, Limits::default());
        let address = |text: &str| SocketAddr::new(text.parse().unwrap(), 1);
        let may_write = |local: Option<&str>, peer: &str| {
            places.find(local.map(address), address(peer)).unwrap().may_write
        };
        assert!(may_write(Some("127.0.0.1"), "127.0.0.1"));
        assert!(may_write(Some("::1"), "::1"));
        assert!(!may_write(Some("10.0.0.1"), "127.0.0.1"), "delivered by a mesh");
        assert!(!may_write(Some("127.0.0.1"), "10.0.0.1"));
        assert!(!may_write(None, "127.0.0.1"));
        let any = Places::new(AcceptFrom::Any, Limits::default());
        assert!(any.find(None, address("10.0.0.1")).unwrap().may_write);
    }

    #[test]
    fn writers_beyond_the_limit_are_told_so_and_probes_have_their_own_places() {
        let limits = Limits { max_connections: 1, ..Limits::default() };
        let places = Places::new(AcceptFrom::Loopback, limits);
        let own = SocketAddr::new("127.0.0.1".parse().unwrap(), 1);
        let probe = SocketAddr::new("10.0.0.1".parse().unwrap(), 1);
        let first = places.find(Some(own), own).unwrap();
        let beyond: Vec<Place> =
            std::iter::from_fn(|| places.find(Some(own), own)).take(1000).collect();
        assert!(!first.crowded && beyond.iter().all(|place| place.crowded));
        assert_eq!(beyond.len(), EXTRA_PLACES);
        assert!(places.find(Some(probe), probe).is_some());
        drop((first, beyond));
        assert!(!places.find(Some(own), own).unwrap().crowded);
    }

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
