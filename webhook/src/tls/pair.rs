//! Two files that must belong together.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use super::TlsError;

/// The chain's file, leaf first.
pub(crate) const CHAIN_FILE: &str = "tls.crt";
/// The leaf's private key.
pub(crate) const KEY_FILE: &str = "tls.key";
/// Both files' content.
#[derive(PartialEq, Eq)]
pub(super) struct Files {
    chain: Vec<u8>,
    key: Vec<u8>,
}

/// Reads both files.
pub(super) fn read(directory: &Path) -> Result<Files, TlsError> {
    let read = |name| {
        let path = directory.join(name);
        std::fs::read(&path).map_err(|source| TlsError::Read { path, source })
    };
    Ok(Files { chain: read(CHAIN_FILE)?, key: read(KEY_FILE)? })
}

/// The pair, checked, and when its leaf ends.
pub(super) fn pair(
    files: &Files,
    provider: &CryptoProvider,
    now: SystemTime,
) -> Result<(CertifiedKey, i64), TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&files.chain)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::Chain)?;
    let leaf = chain.first().ok_or(TlsError::Chain)?;
    let expiry = expiry(leaf)?;
    if expiry <= seconds(now) {
        return Err(TlsError::Expired(expiry));
    }
    let key = PrivateKeyDer::from_pem_slice(&files.key).map_err(|_| TlsError::Key)?;
    let pair = CertifiedKey::from_der(chain, key, provider).map_err(TlsError::Pair)?;
    Ok((pair, expiry))
}

fn expiry(leaf: &CertificateDer<'_>) -> Result<i64, TlsError> {
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf).map_err(|_| TlsError::Leaf)?;
    Ok(leaf.validity().not_after.timestamp())
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
