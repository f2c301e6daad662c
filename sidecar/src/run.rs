//! Puts the parts together and lets them run.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use contract::Settings;
use thiserror::Error;
use tokio::{
    net::TcpListener,
    time::{Instant, interval_at},
};
use tracing::{info, warn};

use crate::{
    VERSION,
    connection::{BUFFERS_BYTES, Shared},
    dial::Dialer,
    drain::Writers,
    explain,
    forward::Forwarder,
    identity::{Issuer, SetupError},
    memory::Memory,
    metrics::Metrics,
    notices::Notices,
    rescue::Rescue,
    server::serve,
    summary::Summary,
    token::{Tokens, refresh},
    trust::Trust,
    upstream::Upstream,
};

/// Why the sidecar cannot run with these settings.
#[derive(Debug, Error)]
pub enum RunError {
    /// The identity lacks something.
    #[error("set the identity up")]
    Identity(#[source] SetupError),
}

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
    settings: Settings,
    trust: &Trust,
    listener: TcpListener,
    now: fn() -> SystemTime,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let cluster = settings.cluster.as_deref().unwrap_or_default();
    let identity_type = settings.identity.kind().name();
    let metrics = Arc::new(Metrics::new(VERSION, identity_type, cluster));
    let tokens = Tokens::new(now);
    let dialer = Dialer::new(settings.proxy.as_ref(), trust, &metrics.outgoing.dials);
    let issuer = Issuer::new(&settings, &dialer, now).map_err(RunError::Identity)?;
    let shared = Arc::new(assemble(&settings, dialer, &tokens, &metrics, now));
    announce(&settings);
    trust.warn_of_errors();
    let writers = shared.writers.clone();
    let stop = async {
        shutdown.await;
        writers.drained(settings.native_sidecar, settings.limits.shutdown_timeout).await;
    };
    tokio::select! {
        () = serve(listener, settings.accept_from, Arc::clone(&shared)) => {}
        () = refresh(issuer, tokens, Arc::clone(&metrics)) => {}
        () = trust.watch(&metrics) => {}
        () = keep_house(&shared, settings.listening_port.get()) => {}
        () = stop => {}
    }
    Ok(())
}

fn assemble(
    settings: &Settings,
    dialer: Dialer,
    tokens: &Tokens,
    metrics: &Arc<Metrics>,
    now: fn() -> SystemTime,
) -> Shared {
    let memory = Memory::new(settings.limits.max_in_flight.length());
    let forwarder = Forwarder {
        tokens: tokens.clone(),
        upstream: Upstream::new(&settings.ingestion_url, dialer, metrics.outgoing.requests.clone()),
        mode: settings.response_mode,
        max_decompressed: settings.limits.max_decompressed,
        host: settings.ingestion_url.host(),
        rescue: Rescue::new(Arc::clone(&memory), Arc::clone(metrics), now),
        memory,
        metrics: Arc::clone(metrics),
        summary: Summary::default(),
        notices: Notices::default(),
        now,
    };
    Shared {
        forwarder,
        writers: Writers::new(),
        limits: settings.limits,
        port: settings.listening_port.get(),
        buffers: Memory::new(BUFFERS_BYTES),
        notices: Notices::default(),
    }
}

fn announce(settings: &Settings) {
    info!(
        version = VERSION,
        identity_type = %settings.identity.kind(),
        client_id = settings.identity.client_id().map_or("", |id| id.as_str()),
        audience = %settings.audience.resource(),
        ingestion_host = %settings.ingestion_url.host(),
        cluster = settings.cluster.as_deref().unwrap_or_default(),
        port = settings.listening_port.get(),
        "listening"
    );
    for doubt in settings.doubts() {
        warn!("{doubt}");
    }
}

/// The summary line, the hint that nobody writes, and old connections and
/// buffers.
async fn keep_house(shared: &Shared, port: u16) {
    let started = Instant::now();
    let mut reap = interval_at(started + REAP_INTERVAL, REAP_INTERVAL);
    let mut minute = interval_at(started + MINUTE, MINUTE);
    let mut minutes = 0_u64;
    loop {
        tokio::select! {
            now = reap.tick() => {
                shared.forwarder.upstream.reap(now);
                shared.forwarder.memory.free_spare();
                shared.forwarder.rescue.reap(now);
            }
            _ = minute.tick() => {
                minutes += 1;
                let summary = &shared.forwarder.summary;
                summary.log();
                if !summary.has_written() && minutes % HINT_INTERVAL == FIRST_HINT {
                    warn!("{}", explain::no_write_yet(started.elapsed(), port));
                }
            }
        }
    }
}
