//! TLS handshakes, limited in time and number. Failures are distinguished: a port scan
//! does not matter, but an API server that does not trust our certificate blocks every
//! annotated pod.

use std::{io, sync::Arc, time::Duration};

use prometheus_client::metrics::counter::Counter;
use rustls::{AlertDescription, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{log_limit::LogLimit, slots::Slots};

/// The API server gives up after `timeoutSeconds`, which is 5: a handshake that
/// takes longer than this is of no use to it.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The handshakes of a listener.
pub(super) struct Handshakes {
    acceptor: TlsAcceptor,
    slots: Arc<Slots>,
    failures: Counter,
    /// The API server retries with every pod.
    distrust: LogLimit,
}

impl Handshakes {
    /// At most `limit` at the same time; those that fail are counted by `failures`.
    pub(super) fn new(config: Arc<ServerConfig>, limit: usize, failures: Counter) -> Self {
        let distrust = LogLimit::default();
        Self { acceptor: config.into(), slots: Slots::new(limit), failures, distrust }
    }

    /// The encrypted connection; `None` if the handshake failed, took too long, or had
    /// to make room for others.
    pub(super) async fn complete(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let (slot, _) = self.slots.take();
        let handshake = tokio::time::timeout(TIMEOUT, self.acceptor.accept(stream));
        let ended = tokio::select! {
            ended = handshake => ended.ok(),
            () = slot.displaced() => None,
        };
        match ended {
            Some(Ok(stream)) => return Some(stream),
            Some(Err(error)) => self.report(&error),
            None => {}
        }
        self.failures.inc();
        None
    }

    /// Tells an operator what can be repaired.
    fn report(&self, error: &io::Error) {
        if is_distrust(error) && self.distrust.is_due() {
            tracing::warn!(
                %error,
                "a client does not trust our certificate: is its CA in the caBundle of the MutatingWebhookConfiguration?"
            );
        } else {
            tracing::debug!(%error, "a TLS handshake failed");
        }
    }
}

/// Whether the client aborted the handshake because of our certificate.
fn is_distrust(error: &io::Error) -> bool {
    use AlertDescription::{
        BadCertificate, CertificateExpired, CertificateUnknown, DecryptError, UnknownCA,
        UnsupportedCertificate,
    };
    let tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(
        tls,
        Some(rustls::Error::AlertReceived(
            BadCertificate
                | CertificateExpired
                | CertificateUnknown
                // An authority of the same name with another key.
                | DecryptError
                | UnknownCA
                | UnsupportedCertificate
        ))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{
        authority::{Authority, Mounted},
        serving::{client, connect},
    };
    use rustls::version::{TLS12, TLS13};

    #[tokio::test]
    async fn distrust_is_known_by_its_alert() {
        let (ours, theirs) = (Authority::new(), Authority::new());
        let (chain, key) = ours.issue("leaf", 90);
        let tls = Mounted::new(&chain, &key.serialize_pem()).load(None);
        let acceptor = TlsAcceptor::from(Arc::new(tls.server_config().unwrap()));
        for version in [&TLS12, &TLS13] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let client = client(theirs.roots(), version);
            let refused = tokio::spawn(async move { connect(address, &client).await.is_err() });
            let (stream, _) = listener.accept().await.unwrap();
            let error = acceptor.accept(stream).await.err().unwrap();
            assert!(is_distrust(&error), "{error}");
            assert!(refused.await.unwrap());
        }
        assert!(!is_distrust(&io::Error::from(io::ErrorKind::UnexpectedEof)));
    }
}
