//! PEM: certificates and a key, in any order, among whatever text.

use rustls::pki_types::pem::{PemObject, SectionKind};

use super::{CertificateError, Contents, PrivateKey};

const BEGIN: &[u8] = b"-----BEGIN ";

/// What no section of [`SectionKind`] stands for.
const ENCRYPTED_KEY: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
/// OpenSSL's older way, a header inside of an otherwise plain section.
const ENCRYPTED_HEADER: &[u8] = b"Proc-Type: 4,ENCRYPTED";

/// Whether a file is PEM: what `openssl pkcs12` writes has lines before the
/// first section.
pub(super) fn is_pem(content: &[u8]) -> bool {
    content.starts_with(BEGIN) || contains(content, &[b"\n", BEGIN].concat())
}

/// Reads every section that is a certificate or a private key.
pub(super) fn read(content: &[u8]) -> Result<Contents, CertificateError> {
    let mut contents = Contents::default();
    if contains(content, ENCRYPTED_HEADER) {
        return Err(CertificateError::EncryptedKey);
    }
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(content) {
        let (kind, der) = section.map_err(|_| CertificateError::Damaged("a section of the PEM"))?;
        match kind {
            SectionKind::Certificate => contents.certificates.push(der),
            SectionKind::PrivateKey => contents.keys.push(PrivateKey::Pkcs8(der)),
            SectionKind::RsaPrivateKey => contents.keys.push(PrivateKey::Pkcs1(der)),
            SectionKind::EcPrivateKey => contents.keys.push(PrivateKey::Sec1),
            _ => {}
        }
    }
    if contents.keys.is_empty() && contains(content, ENCRYPTED_KEY) {
        return Err(CertificateError::EncryptedKey);
    }
    Ok(contents)
}

fn contains(content: &[u8], part: &[u8]) -> bool {
    content.windows(part.len()).any(|window| window == part)
}
