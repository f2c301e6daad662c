//! The listener.
//!
//! It listens on all addresses, so that the kubelet's probes and scrapers reach
//! it; [`crate::slots`] decides who may write.

use std::{sync::Arc, time::Duration};

use contract::AcceptFrom;
use tokio::{net::TcpListener, task::yield_now, time::sleep};
use tracing::{info, warn};

use crate::{
    connection::{Connection, Shared},
    slots::Slots,
};

/// After a failure to accept: out of file descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections for ever.
pub(crate) async fn serve(listener: TcpListener, accept_from: AcceptFrom, shared: Arc<Shared>) {
    let slots = Slots::new(accept_from, shared.limits);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Requests that have arrived are read before one of their connections
                // could have to make room: the first turn notices them, the second reads
                // them.
                for _ in 0..2 {
                    yield_now().await;
                }
                let (slot, closed_another) = slots.take(stream.local_addr().ok(), peer);
                if closed_another {
                    report_full(&shared);
                }
                let id = slot.id();
                let serving = Connection::new(stream, slot, Arc::clone(&shared)).serve();
                slots.assign(id, tokio::spawn(serving).abort_handle());
            }
            Err(error) => {
                if let Some(held_back) = shared.notices.may_say("accept") {
                    warn!(held_back, "cannot accept connections: {error}");
                }
                slots.make_room();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn report_full(shared: &Shared) {
    shared.exposition.displaced_connections.inc();
    if let Some(held_back) = shared.notices.may_say("connection_slots") {
        info!(
            held_back,
            max_connections = shared.limits.max_connections,
            "all connection slots are taken: the longest idle connection is closed"
        );
    }
}
