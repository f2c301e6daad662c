//! Writes certificate and key as a PFX file (PKCS#12, RFC 7292), the way
//! OpenSSL 3 does: AES-256 for the key, SHA-256 for the integrity check, the
//! certificate in the clear.
//!
//! The `pkcs12` crate only reads, and a test that called `openssl` would need
//! it installed; DER is simple enough to be written by hand.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use pkcs5::{der::Encode, pbes2};
use pkcs12::kdf::{self, Pkcs12KeyType};
use sha2::{Digest, Sha256};

use crate::{
    failure::{Context, Outcome},
    secret,
};

/// OpenSSL's count; a file that is read once a day need not be slower.
const ITERATIONS: u16 = 2048;

pub(crate) const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const CONTEXT_0: u8 = 0xa0;

// Whole object identifiers, with tag and length.
const DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
const SHROUDED_KEY_BAG: &[u8] = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x02";
const CERTIFICATE_BAG: &[u8] = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x03";
const X509_CERTIFICATE: &[u8] = b"\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x09\x16\x01";
const LOCAL_KEY_ID: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x15";
const SHA_256: &[u8] = b"\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00";

/// A PFX with a certificate, its PKCS#8 key, and the certificates above it.
pub(crate) fn write(
    certificate: &[u8],
    chain: &[impl AsRef<[u8]>],
    key: &[u8],
    password: &str,
) -> Outcome<Vec<u8>> {
    let key_id = node(SET, &[&node(OCTET_STRING, &[&Sha256::digest(certificate)])]);
    let with_key = node(SET, &[&node(SEQUENCE, &[LOCAL_KEY_ID, &key_id])]);
    let mut certificates = certificate_bag(certificate, &with_key);
    for above in chain {
        certificates.extend(certificate_bag(above.as_ref(), &[]));
    }
    let key = bag(SHROUDED_KEY_BAG, &shroud(key, password)?, &with_key);
    let safe = node(
        SEQUENCE,
        &[&data(&node(SEQUENCE, &[&certificates])), &data(&node(SEQUENCE, &[&key]))],
    );
    let integrity = integrity(&safe, password)?;
    Ok(node(SEQUENCE, &[&[INTEGER, 1, 3], &data(&safe), &integrity]))
}

fn certificate_bag(certificate: &[u8], attributes: &[u8]) -> Vec<u8> {
    let value = node(CONTEXT_0, &[&node(OCTET_STRING, &[certificate])]);
    bag(CERTIFICATE_BAG, &node(SEQUENCE, &[X509_CERTIFICATE, &value]), attributes)
}

/// `SafeBag`: what it is, the thing, and attributes, if any.
fn bag(kind: &[u8], value: &[u8], attributes: &[u8]) -> Vec<u8> {
    node(SEQUENCE, &[kind, &node(CONTEXT_0, &[value]), attributes])
}

/// A PEM block.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let mut block = format!("-----BEGIN {label}-----\n");
    for (at, letter) in text.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            block.push('\n');
        }
        block.push(letter);
    }
    block + &format!("\n-----END {label}-----\n")
}

/// `EncryptedPrivateKeyInfo` (RFC 5958).
fn shroud(key: &[u8], password: &str) -> Outcome<Vec<u8>> {
    let salt: [u8; 16] = secret::random();
    let iv: [u8; 16] = secret::random();
    let method = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ITERATIONS.into(), &salt, iv)
        .context("choose the PFX's cipher")?;
    let hidden = method.encrypt(password, key).context("encrypt the key")?;
    let method =
        pkcs5::EncryptionScheme::Pbes2(method).to_der().context("name the PFX's cipher")?;
    Ok(node(SEQUENCE, &[&method, &node(OCTET_STRING, &[&hidden])]))
}

/// `MacData` (RFC 7292, section 4).
fn integrity(safe: &[u8], password: &str) -> Outcome<Vec<u8>> {
    let salt: [u8; 16] = secret::random();
    let key =
        kdf::derive_key_utf8::<Sha256>(password, &salt, Pkcs12KeyType::Mac, ITERATIONS.into(), 32)
            .context("derive the PFX's integrity key")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).context("use the PFX's integrity key")?;
    mac.update(safe);
    let digest = node(SEQUENCE, &[SHA_256, &node(OCTET_STRING, &[&mac.finalize().into_bytes()])]);
    let count = node(INTEGER, &[&ITERATIONS.to_be_bytes()]);
    Ok(node(SEQUENCE, &[&digest, &node(OCTET_STRING, &[&salt]), &count]))
}

/// `ContentInfo` of type data.
fn data(content: &[u8]) -> Vec<u8> {
    node(SEQUENCE, &[DATA, &node(CONTEXT_0, &[&node(OCTET_STRING, &[content])])])
}

/// One DER element: tag, length, the parts one after the other.
pub(crate) fn node(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let big_endian = length.to_be_bytes();
    let significant = big_endian.iter().position(|byte| *byte != 0).unwrap_or(big_endian.len());
    let digits = big_endian.get(significant..).unwrap_or_default();
    let mut element = vec![tag];
    if length >= 0x80 {
        // Never more than eight digits, so the cast cannot lose any.
        element.push(0x80 | u8::try_from(digits.len()).unwrap_or_default());
        element.extend_from_slice(digits);
    } else {
        element.push(digits.first().copied().unwrap_or_default());
    }
    for part in parts {
        element.extend_from_slice(part);
    }
    element
}
