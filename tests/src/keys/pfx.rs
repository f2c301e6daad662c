//! Writes certificate and key as a PFX file (PKCS#12, RFC 7292), the way
//! OpenSSL 3 does: AES-256 for the key, SHA-256 for the integrity check, the
//! certificate in the clear.
//!
//! A test that called `openssl` would need it installed; DER is simple enough to
//! be written by hand.

use std::num::{NonZeroU16, NonZeroU32};

use aws_lc_rs::{
    cipher::{AES_256, DecryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey},
    hmac, pbkdf2,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

use crate::{
    failure::{Context, Failure, Outcome},
    keys::secret,
};

/// OpenSSL's count; a file that is read once a day need not be slower.
const ITERATIONS: NonZeroU16 = NonZeroU16::new(2048).unwrap();

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
const PBES2: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d";
const PBKDF2: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c";
const HMAC_SHA_256: &[u8] = b"\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x09\x05\x00";
const AES_256_CBC: &[u8] = b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x01\x2a";
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
    let integrity = integrity(&safe, password);
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

/// `EncryptedPrivateKeyInfo` (RFC 5958), by PBES2 (RFC 8018, appendix A.4).
fn shroud(key: &[u8], password: &str) -> Outcome<Vec<u8>> {
    let salt: [u8; 16] = secret::random();
    let count = NonZeroU32::from(ITERATIONS);
    let mut derived = [0; 32];
    let prf = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(prf, count, &salt, password.as_bytes(), &mut derived);
    let cipher = UnboundCipherKey::new(&AES_256, &derived)
        .and_then(PaddedBlockEncryptingKey::cbc_pkcs7)
        .context("choose the PFX's cipher")?;
    let mut hidden = key.to_vec();
    let DecryptionContext::Iv128(vector) =
        cipher.encrypt(&mut hidden).context("encrypt the key")?
    else {
        return Err(Failure::new("CBC has no initial vector"));
    };
    let derivation = node(SEQUENCE, &[&node(OCTET_STRING, &[&salt]), &iterations(), HMAC_SHA_256]);
    let derivation = node(SEQUENCE, &[PBKDF2, &derivation]);
    let encryption = node(SEQUENCE, &[AES_256_CBC, &node(OCTET_STRING, &[vector.as_ref()])]);
    let method = node(SEQUENCE, &[PBES2, &node(SEQUENCE, &[&derivation, &encryption])]);
    Ok(node(SEQUENCE, &[&method, &node(OCTET_STRING, &[&hidden])]))
}

/// `MacData` (RFC 7292, section 4).
fn integrity(safe: &[u8], password: &str) -> Vec<u8> {
    let salt: [u8; 16] = secret::random();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &integrity_key(password, &salt));
    let mac = hmac::sign(&key, safe);
    let digest = node(SEQUENCE, &[SHA_256, &node(OCTET_STRING, &[mac.as_ref()])]);
    node(SEQUENCE, &[&digest, &node(OCTET_STRING, &[&salt]), &iterations()])
}

/// The key of the integrity check (RFC 7292, appendix B.2), which is no longer
/// than one SHA-256: all is hashed once, and the hash again and again.
fn integrity_key(password: &str, salt: &[u8]) -> Vec<u8> {
    /// The length of the blocks that SHA-256 works on.
    const BLOCK: usize = 64;
    const FOR_INTEGRITY: u8 = 3;
    let blocks = |text: Vec<u8>| {
        let length = text.len().div_ceil(BLOCK) * BLOCK;
        text.into_iter().cycle().take(length).collect::<Vec<u8>>()
    };
    let password = password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect();
    let mut hash = [vec![FOR_INTEGRITY; BLOCK], blocks(salt.to_vec()), blocks(password)].concat();
    for _ in 0..ITERATIONS.get() {
        hash = Sha256::digest(&hash).to_vec();
    }
    hash
}

fn iterations() -> Vec<u8> {
    node(INTEGER, &[&ITERATIONS.get().to_be_bytes()])
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
