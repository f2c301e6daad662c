//! The parts of each destination, which share nothing but tokens.

use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

use contract::{Destinations, Limits, Settings};
use tokio::sync::Semaphore;

use crate::{
    VERSION,
    connection::{BUFFERS_BYTES, Shared},
    dial::Dialer,
    drain::Writers,
    forward::Forwarder,
    identity::Issuer,
    memory::Memory,
    metrics::{Exposition, Metrics},
    notices::Notices,
    rescue::Rescue,
    summary::Summary,
    token::Tokens,
    trust::Trust,
    upstream::Upstream,
};

/// Where tokens come from, and the metrics of the destinations that share them.
pub(super) struct TokenSource<'a> {
    settings: &'a Settings,
    pub(super) issuer: Issuer,
    pub(super) tokens: Tokens,
    pub(super) metrics: Vec<Arc<Metrics>>,
}

/// What serves requests, and the sources of its tokens: one for each identity and
/// audience.
pub(super) fn assemble<'a>(
    destinations: &'a Destinations,
    trust: &Trust,
    now: fn() -> SystemTime,
) -> (Shared, Vec<TokenSource<'a>>) {
    let settings = destinations.sidecar();
    let exposition = exposition(destinations);
    let (mut forwarders, mut sources) = (Vec::new(), Vec::new());
    for destination in destinations.iter() {
        let metrics = Arc::new(exposition.destination(destination.label()));
        let dialer = Dialer::new(settings.proxy.as_ref(), trust, &metrics.dials());
        let tokens = tokens(&mut sources, &destination.settings, &dialer, &metrics, now);
        let memory = Memory::new(destinations.limits().max_in_flight.length());
        let (url, count) = (&destination.settings.ingestion_url, destinations.len());
        forwarders.push(Forwarder {
            rescue: Rescue::new(Arc::clone(&memory), Arc::clone(&metrics), now, count),
            upstream: Upstream::new(url, dialer, metrics.upstream_requests.clone(), count),
            path: destination.write_path(),
            mode: destination.settings.response_mode,
            max_decompressed: settings.limits.max_decompressed,
            host: url.host().into_owned(),
            summary: Summary::default(),
            notices: Notices::default(),
            tokens,
            permits: Semaphore::new(permits(settings.limits, count)),
            memory,
            metrics,
            now,
        });
    }
    let shared = Shared {
        destinations: forwarders,
        exposition,
        writers: Writers::new(),
        limits: destinations.limits(),
        port: settings.listening_port.get(),
        buffers: Memory::new(BUFFERS_BYTES),
        notices: Notices::default(),
    };
    (shared, sources)
}

/// How many writes to each of `count` destinations may be in progress.
fn permits(limits: Limits, count: usize) -> usize {
    let connections = usize::try_from(limits.max_connections).unwrap_or(usize::MAX);
    (connections / count).clamp(1, Semaphore::MAX_PERMITS)
}

fn exposition(destinations: &Destinations) -> Exposition {
    let kinds = destinations.iter().map(|one| one.settings.identity.kind().name());
    let kinds: Vec<&str> = kinds.collect::<BTreeSet<_>>().into_iter().collect();
    let cluster = destinations.sidecar().cluster.as_deref().unwrap_or_default();
    Exposition::new(VERSION, &kinds.join(","), cluster)
}

/// The tokens for a destination: those of another one, if they serve both.
fn tokens<'a>(
    sources: &mut Vec<TokenSource<'a>>,
    settings: &'a Settings,
    dialer: &Dialer,
    metrics: &Arc<Metrics>,
    now: fn() -> SystemTime,
) -> Tokens {
    let metrics = Arc::clone(metrics);
    let known = sources.iter_mut().find(|known| settings.shares_tokens_with(known.settings));
    if let Some(known) = known {
        known.metrics.push(metrics);
        return known.tokens.clone();
    }
    let issuer = Issuer::new(settings, dialer, now);
    let tokens = Tokens::new(now);
    sources.push(TokenSource { settings, issuer, tokens: tokens.clone(), metrics: vec![metrics] });
    tokens
}
