//! Handshakes that fail, told apart: a port scan is nothing, an API server that
//! does not trust our certificate stops every pod that asks for a sidecar.

use std::io;

use prometheus_client::metrics::counter::Counter;
use rustls::AlertDescription;

use super::log_limit::LogLimit;

/// Counts failures, and reports those that an operator can repair.
#[derive(Default)]
pub(super) struct Failures {
    counter: Counter,
    /// The API server tries again with every pod.
    distrust: LogLimit,
}

impl Failures {
    pub(super) fn new(counter: Counter) -> Self {
        Self { counter, distrust: LogLimit::default() }
    }

    /// A handshake failed; without an error, because it took too long or had to
    /// make room for others.
    pub(super) fn record(&self, error: Option<&io::Error>) {
        self.counter.inc();
        let Some(error) = error else { return };
        if is_distrust(error) && self.distrust.is_due() {
            tracing::warn!(
                %error,
                "a client does not trust our certificate: is its authority in the caBundle of the MutatingWebhookConfiguration?"
            );
        } else {
            tracing::debug!(%error, "a TLS handshake failed");
        }
    }
}

/// Whether the client ended the handshake over our certificate.
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
    use std::sync::Arc;

    use rustls::version::{TLS12, TLS13};
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::tests::{
        authority::{Authority, Mounted},
        serving::{client, connect},
    };

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
