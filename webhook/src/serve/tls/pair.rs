//! The serving certificate: `tls.crt` and `tls.key`, which must belong together.

use std::{
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{
    TlsError,
    source::{Reload, WatchedFiles},
};

/// The chain's file, leaf first.
pub(crate) const CHAIN_FILE: &str = "tls.crt";
/// The leaf's private key.
pub(crate) const KEY_FILE: &str = "tls.key";

/// The certificate in use, and the directory it comes from. While none is in use,
/// handshakes fail.
#[derive(Debug)]
pub(super) struct Certificates {
    provider: Arc<CryptoProvider>,
    source: WatchedFiles<Pair, 2>,
}

/// Chain and key, and the expiry of the certificate, in seconds since 1970.
struct Pair {
    key: Arc<CertifiedKey>,
    expiry: i64,
}

impl Certificates {
    /// Nothing is read yet.
    pub(super) fn new(directory: &Path, provider: Arc<CryptoProvider>) -> Self {
        let paths = [directory.join(CHAIN_FILE), directory.join(KEY_FILE)];
        Self { provider, source: WatchedFiles::new(paths) }
    }

    /// Looks at the directory, at the time `now`. Blocks for two small reads.
    pub(super) fn reload(&self, now: SystemTime) -> Reload {
        self.source.reload(|[chain, key]| pair(chain, key, &self.provider, now))
    }

    /// Expiry of the certificate in use, in seconds since 1970; `None` without one.
    pub(super) fn expiry(&self) -> Option<i64> {
        self.source.current().map(|pair| pair.expiry)
    }

    /// Chain and key in use.
    pub(super) fn in_use(&self) -> Option<Arc<CertifiedKey>> {
        self.source.current().map(|pair| pair.key.clone())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.in_use()
    }
}

/// The pair, checked.
fn pair(
    chain: &[u8],
    key: &[u8],
    provider: &CryptoProvider,
    now: SystemTime,
) -> Result<Pair, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::Chain)?;
    let leaf = chain.first().ok_or(TlsError::Chain)?;
    let expiry = expiry(leaf)?;
    if expiry <= seconds(now) {
        return Err(TlsError::Expired(expiry));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?;
    let key = CertifiedKey::from_der(chain, key, provider).map_err(TlsError::Pair)?;
    Ok(Pair { key: Arc::new(key), expiry })
}

/// A certificate as text, in lines of 64 characters: RFC 7468.
pub(super) fn pem(certificate: &[u8]) -> String {
    const LINE: usize = 64;
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let encoded = BASE64_STANDARD.encode(certificate);
    let characters: Vec<char> = encoded.chars().collect();
    for line in characters.chunks(LINE) {
        text.extend(line);
        text.push('\n');
    }
    text + "-----END CERTIFICATE-----\n"
}

fn expiry(leaf: &CertificateDer<'_>) -> Result<i64, TlsError> {
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf).map_err(|_| TlsError::Leaf)?;
    Ok(leaf.validity().not_after.timestamp())
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
