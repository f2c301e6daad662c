//! The one listener.
//!
//! It listens on all addresses, so that the kubelet's probes and scrapers reach
//! it; [`crate::place`] says who may write.

use std::{sync::Arc, time::Duration};

use contract::AcceptFrom;
use tokio::{net::TcpListener, time::sleep};
use tracing::{debug, warn};

use crate::{
    connection::{Connection, Shared},
    place::Places,
};

/// After a failure to accept: out of file descriptors, most likely, which only
/// time mends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections for ever.
pub(crate) async fn serve(listener: TcpListener, accept_from: AcceptFrom, shared: Arc<Shared>) {
    let places = Places::new(accept_from, shared.limits);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let Some(place) = places.find(stream.local_addr().ok(), peer) else {
                    debug!(%peer, "closed a connection: every place is taken");
                    continue;
                };
                tokio::spawn(Connection::new(stream, Arc::clone(&shared)).serve(place));
            }
            Err(error) => {
                if shared.notices.may_say("accept").is_some() {
                    warn!("cannot accept connections: {error}");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
