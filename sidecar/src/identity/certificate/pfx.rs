//! PFX, also called PKCS #12 (RFC 7292): boxes in boxes, some of them locked.
//!
//! An empty password has two encodings for key derivation: two zero bytes,
//! and no bytes at all, as some Windows tools have it. Both occur in files
//! that people get from Key Vault, so both are tried.

use aws_lc_rs::hmac;
use cms::{content_info::ContentInfo, encrypted_data::EncryptedData};
use der::{
    Any, Decode, Encode, Reader, SliceReader,
    asn1::{ContextSpecific, ObjectIdentifier, OctetString},
};
use pkcs12::{
    AuthenticatedSafe, CertBag, MacData, Pfx, kdf::Pkcs12KeyType,
    pbe_params::EncryptedPrivateKeyInfo, safe_bag::SafeContents,
};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use spki::AlgorithmIdentifierRef;

use super::{
    CertificateError, Contents, PrivateKey,
    decrypt::{Password, Purse, decrypt, derive},
};

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
    let mut purse = Purse::full();
    let first = open(&pfx, &Password::new(password), &mut purse);
    match first {
        Err(CertificateError::WrongPassword { .. }) if password.is_empty() => {
            open(&pfx, &Password::absent(), &mut purse).map_err(|second| match second {
                CertificateError::TooExpensive => second,
                _ => CertificateError::WrongPassword { given: false },
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
        let algorithm: AlgorithmIdentifierRef<'_> = reader.decode()?;
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
        let form = "BER with indefinite lengths (write it anew with OpenSSL)";
        CertificateError::Unsupported(form.to_owned())
    } else {
        CertificateError::Damaged("the PFX")
    }
}

fn open(pfx: &Pfx, password: &Password, purse: &mut Purse) -> Result<Contents> {
    if pfx.auth_safe.content_type != DATA {
        return Err(CertificateError::Unsupported("a public key for integrity".to_owned()));
    }
    let safe = octets(&pfx.auth_safe.content)?;
    let checked = pfx.mac_data.is_some();
    if let Some(mac) = &pfx.mac_data {
        verify(mac, &safe, password, purse)?;
    }
    let mut contents = Contents::default();
    for part in AuthenticatedSafe::from_der(&safe).map_err(damaged)? {
        let (bags, encrypted) = unlock(&part, password, purse)?;
        // Without a check value, a wrong password shows as garbage here.
        let garbage = |error| if encrypted && !checked { password.wrong() } else { damaged(error) };
        let bags = SafeContents::from_der(&bags).map_err(garbage)?;
        for bag in bags {
            match bag.bag_id {
                KEY_BAG => contents.keys.push(PrivateKey::Pkcs8(plain_key(&bag.bag_value)?)),
                SHROUDED_KEY_BAG => {
                    let key = shrouded_key(&bag.bag_value, password, purse)?;
                    contents.keys.push(PrivateKey::Pkcs8(key));
                }
                CERTIFICATE_BAG => contents.certificates.push(certificate(&bag.bag_value)?),
                _ => {}
            }
        }
    }
    Ok(contents)
}

/// The bags of one part, and whether they were encrypted.
fn unlock(part: &ContentInfo, password: &Password, purse: &mut Purse) -> Result<(Vec<u8>, bool)> {
    match part.content_type {
        DATA => Ok((octets(&part.content)?, false)),
        ENCRYPTED_DATA => {
            let der = part.content.to_der().map_err(damaged)?;
            let locked = EncryptedData::from_der(&der).map_err(damaged)?.enc_content_info;
            let Some(content) = &locked.encrypted_content else {
                return Err(CertificateError::Damaged("the PFX"));
            };
            let bags = decrypt(&locked.content_enc_alg, content.as_bytes(), password, purse)?;
            Ok((bags, true))
        }
        other => Err(CertificateError::Unsupported(format!("content of type {other}"))),
    }
}

fn plain_key(bag: &[u8]) -> Result<Vec<u8>> {
    let key: ContextSpecific<Any> = ContextSpecific::from_der(bag).map_err(damaged)?;
    key.value.to_der().map_err(damaged)
}

fn shrouded_key(bag: &[u8], password: &Password, purse: &mut Purse) -> Result<Vec<u8>> {
    let locked: ContextSpecific<EncryptedPrivateKeyInfo> =
        ContextSpecific::from_der(bag).map_err(damaged)?;
    let EncryptedPrivateKeyInfo { encryption_algorithm, encrypted_data } = &locked.value;
    let key = decrypt(encryption_algorithm, encrypted_data.as_bytes(), password, purse)?;
    // One wrong key in 256 leaves something that looks padded.
    Any::from_der(&key).map_err(|_| password.wrong())?;
    Ok(key)
}

fn certificate(bag: &[u8]) -> Result<Vec<u8>> {
    let bag: ContextSpecific<CertBag> = ContextSpecific::from_der(bag).map_err(damaged)?;
    Ok(bag.value.cert_value.as_bytes().to_vec())
}

/// Compares the check value: the one place that tells a wrong password from a
/// damaged file.
fn verify(mac: &MacData, safe: &[u8], password: &Password, purse: &mut Purse) -> Result<()> {
    let (salt, rounds) = (mac.mac_salt.as_bytes(), mac.iterations);
    let kind = Pkcs12KeyType::Mac;
    let (algorithm, key) = match mac.mac.algorithm.oid {
        SHA1 => (
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            derive::<Sha1>(password, salt, kind, rounds, 20, purse)?,
        ),
        SHA256 => (hmac::HMAC_SHA256, derive::<Sha256>(password, salt, kind, rounds, 32, purse)?),
        SHA384 => (hmac::HMAC_SHA384, derive::<Sha384>(password, salt, kind, rounds, 48, purse)?),
        SHA512 => (hmac::HMAC_SHA512, derive::<Sha512>(password, salt, kind, rounds, 64, purse)?),
        other => return Err(CertificateError::Unsupported(format!("integrity check {other}"))),
    };
    hmac::verify(&hmac::Key::new(algorithm, &key), safe, mac.mac.digest.as_bytes())
        .map_err(|_| password.wrong())
}

fn octets(content: &Any) -> Result<Vec<u8>> {
    let der = content.to_der().map_err(damaged)?;
    Ok(OctetString::from_der(&der).map_err(damaged)?.into_bytes().into())
}

fn damaged(_: der::Error) -> CertificateError {
    CertificateError::Damaged("the PFX")
}
