//! The authorities whose clients are served, where not everyone is.

use std::{path::Path, sync::Arc};

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::{
    TlsError,
    source::{Reload, WatchedFiles},
};

/// The authorities in use, and the file they come from. While none are in use, no one is
/// served.
#[derive(Debug)]
pub(super) struct Clients {
    provider: Arc<CryptoProvider>,
    source: WatchedFiles<Arc<dyn ClientCertVerifier>, 1>,
}

impl Clients {
    /// Nothing is read yet.
    pub(super) fn new(path: &Path, provider: Arc<CryptoProvider>) -> Self {
        Self { provider, source: WatchedFiles::new([path.to_owned()]) }
    }

    /// Looks at the file. Blocks for a small read.
    pub(super) fn reload(&self) -> Reload {
        self.source.reload(|[pem]| {
            let [path] = self.source.paths();
            self.verifier(pem).ok_or_else(|| TlsError::ClientAuthorities(path.clone()))
        })
    }

    /// Whether someone can be served.
    pub(super) fn are_known(&self) -> bool {
        self.source.current().is_some()
    }

    fn verifier(&self, pem: &[u8]) -> Option<Arc<dyn ClientCertVerifier>> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.ok()?).ok()?;
        }
        // It refuses to work without any.
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots.into(), self.provider.clone());
        verifier.build().ok()
    }
}

impl ClientCertVerifier for Clients {
    /// None: they change, and a client that is given none shows what it has.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verifier = self.source.current();
        let verifier =
            verifier.ok_or_else(|| Error::General("no client authorities yet".to_owned()))?;
        verifier.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
