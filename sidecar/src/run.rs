//! Puts the parts together and lets them run.

mod assemble;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use contract::{DestinationName, Destinations};
use futures_util::future::join_all;
use tokio::{
    net::TcpListener,
    time::{Instant, interval_at},
};
use tracing::{info, warn};

use self::assemble::assemble;
use crate::{
    VERSION, connection::Shared, explain, forward::Forwarder, server::serve, token::refresh,
    trust::Trust,
};

/// The rhythm of the summary line.
const MINUTE: Duration = Duration::from_mins(1);
/// So long after the start, a missing write is worth a hint, and then each hour:
/// Prometheus sends within seconds if it is configured to.
const FIRST_HINT: u64 = 2;
const HINT_INTERVAL: u64 = 60;
/// The rhythm in which idle connections are looked at, and idle memory is freed.
const REAP_INTERVAL: Duration = Duration::from_secs(15);

/// Serves on `listener` until `shutdown` comes and nobody writes any more.
pub async fn run(
    destinations: Destinations,
    trust: &Trust,
    listener: TcpListener,
    now: fn() -> SystemTime,
    shutdown: impl Future<Output = ()>,
) {
    let settings = destinations.sidecar();
    let (shared, sources) = assemble(&destinations, trust, now);
    let refreshes =
        sources.into_iter().map(|source| refresh(source.issuer, source.tokens, source.metrics));
    let shared = Arc::new(shared);
    announce(&destinations);
    trust.warn_of_errors();
    let writers = shared.writers.clone();
    let stop = async {
        shutdown.await;
        writers.drained(settings.native_sidecar, settings.limits.shutdown_timeout).await;
    };
    tokio::select! {
        () = serve(listener, settings.accept_from, Arc::clone(&shared)) => {}
        _ = join_all(refreshes) => {}
        () = trust.watch(&shared.exposition) => {}
        () = maintain(&shared) => {}
        () = stop => {}
    }
}

fn announce(destinations: &Destinations) {
    for destination in destinations.iter() {
        let settings = &destination.settings;
        let name = destination.name.as_ref().map(DestinationName::as_str);
        info!(
            destination = name,
            version = VERSION,
            identity_type = %settings.identity.kind(),
            client_id = settings.identity.client_id().map_or("", |id| id.as_str()),
            audience = %settings.audience.resource(),
            ingestion_host = %settings.ingestion_url.host(),
            cluster = settings.cluster.as_deref().unwrap_or_default(),
            port = settings.listening_port.get(),
            "listening"
        );
        for warning in settings.destination_warnings() {
            warn!(destination = name, "{}", explain::with_variables_of(name, &warning));
        }
    }
    for warning in destinations.warnings() {
        warn!("{warning}");
    }
}

/// The summary line, the hint that nobody writes, and old connections and
/// buffers.
async fn maintain(shared: &Shared) {
    let started = Instant::now();
    let mut reap = interval_at(started + REAP_INTERVAL, REAP_INTERVAL);
    let mut minute = interval_at(started + MINUTE, MINUTE);
    let mut minutes = 0_u64;
    loop {
        tokio::select! {
            now = reap.tick() => for destination in &shared.destinations {
                destination.upstream.reap(now);
                destination.memory.free_spare();
                destination.rescue.reap(now);
            },
            _ = minute.tick() => {
                minutes += 1;
                let is_time_for_hint = minutes % HINT_INTERVAL == FIRST_HINT;
                for Forwarder { summary, metrics, path, .. } in &shared.destinations {
                    let name = metrics.name();
                    summary.log(name);
                    if is_time_for_hint && !summary.has_written() {
                        let text = explain::no_write_yet(started.elapsed(), shared.port, path);
                        warn!(destination = name, "{text}");
                    }
                }
            }
        }
    }
}
