//! PFX, also called PKCS #12 (RFC 7292): boxes in boxes, some of them locked.
//!
//! An empty password has two encodings for key derivation: two zero bytes,
//! and no bytes at all, as some Windows tools have it. Both occur in files
//! that people get from Key Vault, so both are tried.

mod decrypt;
mod kdf;
mod syntax;

use aws_lc_rs::{digest, hmac};
use der::{
    Any, Decode, Encode, Reader, SliceReader,
    asn1::{ObjectIdentifier, OctetString},
};

use self::{
    decrypt::{IterationBudget, Password, decrypt},
    kdf::Purpose,
    syntax::{
        AlgorithmIdentifier, CertBag, ContentInfo, EncryptedData, EncryptedPrivateKeyInfo, MacData,
        Pfx, SafeBag,
    },
};
use super::{CertificateError, Contents, PrivateKey};

type Result<T> = std::result::Result<T, CertificateError>;

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.1");
const SHROUDED_KEY_BAG: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const CERTIFICATE_BAG: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.3");
const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
const EC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Everything in a PFX that is a key or a certificate.
pub(super) fn read(der: &[u8], password: &str) -> Result<Contents> {
    let pfx = Pfx::from_der(der).map_err(|_| unreadable(der))?;
    let mut budget = IterationBudget::full();
    let first = open(&pfx, &Password::new(password), &mut budget);
    match first {
        Err(CertificateError::WrongPassword { .. }) if password.is_empty() => {
            open(&pfx, &Password::absent(), &mut budget).map_err(|second| match second {
                CertificateError::TooExpensive => second,
                _ => CertificateError::WrongPassword { has_password: false },
            })
        }
        first => first,
    }
}

/// The name of a key's kind if it is not RSA; `None` for RSA, and for what
/// cannot be read, of which others will say more.
pub(super) fn foreign_key_kind(pkcs8: &[u8]) -> Option<&'static str> {
    let mut reader = SliceReader::new(pkcs8).ok()?;
    let algorithm = reader.sequence(|reader: &mut SliceReader<'_>| {
        let _version: u8 = reader.decode()?;
        let algorithm: AlgorithmIdentifier = reader.decode()?;
        reader.drain(reader.remaining_len())?;
        Ok::<_, der::Error>(algorithm.oid)
    });
    match algorithm.ok()? {
        EC_KEY => Some("elliptic curve (EC)"),
        ED25519_KEY => Some("Ed25519"),
        _ => None,
    }
}

/// Something that begins like a PFX was one; other bytes never were.
fn unreadable(der: &[u8]) -> CertificateError {
    const SEQUENCE: u8 = 0x30;
    const INDEFINITE: u8 = 0x80;
    const VERSION_3: &[u8] = &[2, 1, 3];
    let head = der.get(..16).unwrap_or(der);
    if head.first() != Some(&SEQUENCE) || !head.windows(3).any(|bytes| bytes == VERSION_3) {
        CertificateError::Unrecognised
    } else if head.get(1) == Some(&INDEFINITE) {
        // As NSS and Bouncy Castle write it; neither Key Vault nor OpenSSL does.
        let form = "BER with indefinite lengths (convert it with OpenSSL)";
        CertificateError::Unsupported(form.to_owned())
    } else {
        CertificateError::Damaged("the PFX")
    }
}

fn open(pfx: &Pfx, password: &Password, budget: &mut IterationBudget) -> Result<Contents> {
    if pfx.auth_safe.content_type != DATA {
        return Err(CertificateError::Unsupported("a public key for integrity".to_owned()));
    }
    let safe = octets(&pfx.auth_safe.content)?;
    let checked = pfx.mac_data.is_some();
    if let Some(mac) = &pfx.mac_data {
        verify(mac, &safe, password, budget)?;
    }
    let mut contents = Contents::default();
    let parts: Vec<ContentInfo> = Decode::from_der(&safe).map_err(damaged)?;
    for part in parts {
        let (bags, encrypted) = unlock(&part, password, budget)?;
        // Without a check value, a wrong password shows as garbage here.
        let garbage = |error| if encrypted && !checked { password.wrong() } else { damaged(error) };
        let bags: Vec<SafeBag> = Decode::from_der(&bags).map_err(garbage)?;
        for SafeBag { id, value, .. } in bags {
            match id {
                KEY_BAG => {
                    contents.keys.push(PrivateKey::Pkcs8(value.to_der().map_err(damaged)?));
                }
                SHROUDED_KEY_BAG => {
                    let key = shrouded_key(&value, password, budget)?;
                    contents.keys.push(PrivateKey::Pkcs8(key));
                }
                CERTIFICATE_BAG => {
                    let bag: CertBag = value.decode_as().map_err(damaged)?;
                    contents.certificates.push(bag.value.into_bytes().into());
                }
                _ => {}
            }
        }
    }
    Ok(contents)
}

/// The bags of one part, and whether they were encrypted.
fn unlock(
    part: &ContentInfo,
    password: &Password,
    budget: &mut IterationBudget,
) -> Result<(Vec<u8>, bool)> {
    match part.content_type {
        DATA => Ok((octets(&part.content)?, false)),
        ENCRYPTED_DATA => {
            let encrypted: EncryptedData = part.content.decode_as().map_err(damaged)?;
            let locked = encrypted.content;
            let Some(content) = &locked.content else {
                return Err(CertificateError::Damaged("the PFX"));
            };
            let bags = decrypt(&locked.algorithm, content.as_bytes(), password, budget)?;
            Ok((bags, true))
        }
        other => Err(CertificateError::Unsupported(format!("content of type {other}"))),
    }
}

fn shrouded_key(bag: &Any, password: &Password, budget: &mut IterationBudget) -> Result<Vec<u8>> {
    let EncryptedPrivateKeyInfo { algorithm, data } = bag.decode_as().map_err(damaged)?;
    let key = decrypt(&algorithm, data.as_bytes(), password, budget)?;
    // One wrong key in 256 leaves something that looks padded.
    Any::from_der(&key).map_err(|_| password.wrong())?;
    Ok(key)
}

/// Compares the check value: the one place that tells a wrong password from a
/// damaged file.
fn verify(
    mac: &MacData,
    safe: &[u8],
    password: &Password,
    budget: &mut IterationBudget,
) -> Result<()> {
    let (digest, algorithm) = match mac.mac.algorithm.oid {
        SHA1 => (&digest::SHA1_FOR_LEGACY_USE_ONLY, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        SHA256 => (&digest::SHA256, hmac::HMAC_SHA256),
        SHA384 => (&digest::SHA384, hmac::HMAC_SHA384),
        SHA512 => (&digest::SHA512, hmac::HMAC_SHA512),
        other => return Err(CertificateError::Unsupported(format!("integrity check {other}"))),
    };
    let iterations = mac.iterations.unwrap_or(1);
    let length = digest.output_len();
    let key = password.derive(digest, Purpose::Mac, &mac.salt, iterations, length, budget)?;
    hmac::verify(&hmac::Key::new(algorithm, &key), safe, mac.mac.digest.as_bytes())
        .map_err(|_| password.wrong())
}

fn octets(content: &Any) -> Result<Vec<u8>> {
    content.decode_as::<OctetString>().map(|octets| octets.into_bytes().into()).map_err(damaged)
}

fn damaged(_: der::Error) -> CertificateError {
    CertificateError::Damaged("the PFX")
}
