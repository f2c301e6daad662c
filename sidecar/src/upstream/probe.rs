//! The way to the ingestion endpoint, one step at a time: for looking at what
//! a request takes for granted.

use rustls::{ProtocolVersion, pki_types::CertificateDer};
use tokio::net::TcpStream;

use super::{Failure, Upstream};
use crate::dial::{Dialer, Origin, Stream};

/// The result of the TLS negotiation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handshake {
    /// TLS 1.2 or 1.3.
    pub(crate) version: Option<ProtocolVersion>,
    /// The peer's own certificate, verified.
    pub(crate) certificate: Option<CertificateDer<'static>>,
}

impl Upstream {
    /// The dialer of its connections, and their target.
    pub(crate) const fn route(&self) -> (&Dialer, &Origin) {
        (&self.dialer, &self.origin)
    }

    /// Opens a connection as a request does, through the proxy if there is one.
    pub(crate) async fn reach(&self) -> Result<TcpStream, Failure> {
        Ok(self.dialer.tcp(&self.origin).await?)
    }

    /// Agrees on TLS; `None` where plain http is spoken.
    pub(crate) async fn shake_hands(&self, tcp: TcpStream) -> Result<Option<Handshake>, Failure> {
        let Stream::Tls(stream) = self.dialer.secure(&self.origin, tcp).await? else {
            return Ok(None);
        };
        let (_, session) = stream.get_ref();
        let certificates = session.peer_certificates().unwrap_or_default();
        Ok(Some(Handshake {
            version: session.protocol_version(),
            certificate: certificates.first().map(|der| der.clone().into_owned()),
        }))
    }
}
