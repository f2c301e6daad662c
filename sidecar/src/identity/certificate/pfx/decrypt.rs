//! The encryption of a PFX: PBES2 (today's), and the older methods of RFC 7292,
//! which Windows and `openssl pkcs12 -legacy` still write.
//!
//! Triple DES and RC2 come from crates of their own: aws-lc-rs has no RC2, and
//! offers triple DES only with a much larger build of aws-lc.

use std::{fmt, num::NonZeroU32};

use aws_lc_rs::{
    cipher::{
        AES_128, AES_192, AES_256, Algorithm, DecryptionContext, PaddedBlockDecryptingKey,
        UnboundCipherKey,
    },
    digest, pbkdf2,
};
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit, block_padding::Pkcs7};
use der::asn1::{ObjectIdentifier, OctetString};

use super::{
    Result, damaged,
    kdf::{self, Purpose},
    syntax::{AlgorithmIdentifier, Pbes2Parameters, Pbkdf2Parameters, Pkcs12Parameters},
};
use crate::identity::certificate::{CertificateError, MAX_ITERATIONS};

const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
const HMAC_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.7");
const HMAC_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.9");
const HMAC_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.10");
const HMAC_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.11");
const AES_128_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.2");
const AES_192_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.22");
const AES_256_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42");
const TRIPLE_DES_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.3.7");
const TRIPLE_DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
const TWO_KEY_TRIPLE_DES: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.4");
const RC2_128: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.5");
const RC2_40: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.6");

/// A password in the two encodings that key derivations want.
pub(super) struct Password {
    /// UTF-16, big endian, with its terminating zero; or nothing at all.
    utf16: Vec<u8>,
    utf8: Vec<u8>,
}

/// Prints no password.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

impl Password {
    pub(super) fn new(password: &str) -> Self {
        let utf16 = password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect();
        Self { utf16, utf8: password.as_bytes().to_vec() }
    }

    /// No password, as opposed to an empty one.
    pub(super) fn absent() -> Self {
        Self { utf16: Vec::new(), utf8: Vec::new() }
    }

    pub(super) fn wrong(&self) -> CertificateError {
        CertificateError::WrongPassword { has_password: !self.utf8.is_empty() }
    }

    /// Derives a key of `length` bytes as RFC 7292, appendix B.2, has it.
    pub(super) fn derive(
        &self,
        algorithm: &'static digest::Algorithm,
        purpose: Purpose,
        salt: &OctetString,
        iterations: u32,
        length: usize,
        budget: &mut IterationBudget,
    ) -> Result<Vec<u8>> {
        let iterations = budget.spend(iterations)?.get();
        Ok(kdf::derive(algorithm, purpose, &self.utf16, salt.as_bytes(), iterations, length))
    }
}

/// The iterations of key derivations that a file may still ask for.
#[derive(Debug)]
pub(super) struct IterationBudget(u32);

impl IterationBudget {
    pub(super) const fn full() -> Self {
        Self(MAX_ITERATIONS)
    }

    fn spend(&mut self, iterations: u32) -> Result<NonZeroU32> {
        let iterations = NonZeroU32::new(iterations).ok_or(CertificateError::Damaged("the PFX"))?;
        self.0 = self.0.checked_sub(iterations.get()).ok_or(CertificateError::TooExpensive)?;
        Ok(iterations)
    }
}

/// Decrypts one encrypted part of the file.
pub(super) fn decrypt(
    algorithm: &AlgorithmIdentifier,
    data: &[u8],
    password: &Password,
    budget: &mut IterationBudget,
) -> Result<Vec<u8>> {
    let parameters = algorithm.parameters.as_ref().ok_or(CertificateError::Damaged("the PFX"))?;
    let mut legacy = |key_length| {
        let Pkcs12Parameters { salt, iterations } = parameters.decode_as().map_err(damaged)?;
        let mut derive = |purpose, length| {
            let sha1 = &digest::SHA1_FOR_LEGACY_USE_ONLY;
            password.derive(sha1, purpose, &salt, iterations, length, budget)
        };
        Ok((derive(Purpose::Cipher, key_length)?, derive(Purpose::InitialVector, 8)?))
    };
    let decrypted = match algorithm.oid {
        PBES2 => {
            let parameters = parameters.decode_as().map_err(damaged)?;
            return decrypt_pbes2(&parameters, data, password, budget);
        }
        TRIPLE_DES => legacy_cbc::<des::TdesEde3>(&legacy(24)?, data),
        TWO_KEY_TRIPLE_DES => legacy_cbc::<des::TdesEde2>(&legacy(16)?, data),
        RC2_128 => legacy_cbc::<rc2::Rc2>(&legacy(16)?, data),
        RC2_40 => legacy_cbc::<rc2::Rc2>(&legacy(5)?, data),
        other => return Err(unsupported_encryption(&other)),
    };
    decrypted.ok_or_else(|| password.wrong())
}

fn decrypt_pbes2(
    parameters: &Pbes2Parameters,
    data: &[u8],
    password: &Password,
    budget: &mut IterationBudget,
) -> Result<Vec<u8>> {
    let Pbes2Parameters { derivation, encryption } = parameters;
    let vector = encryption.parameters.as_ref().ok_or(CertificateError::Damaged("the PFX"))?;
    let vector: OctetString = vector.decode_as().map_err(damaged)?;
    let key_length = match encryption.oid {
        AES_128_CBC => 16,
        AES_192_CBC | TRIPLE_DES_CBC => 24,
        AES_256_CBC => 32,
        other => return Err(unsupported_encryption(&other)),
    };
    let key = derive_pbkdf2(derivation, key_length, password, budget)?;
    let decrypted = match encryption.oid {
        AES_128_CBC => aes_cbc(&AES_128, &key, vector.as_bytes(), data),
        AES_192_CBC => aes_cbc(&AES_192, &key, vector.as_bytes(), data),
        AES_256_CBC => aes_cbc(&AES_256, &key, vector.as_bytes(), data),
        _ => legacy_cbc::<des::TdesEde3>(&(key, vector.into_bytes().into()), data),
    };
    decrypted.ok_or_else(|| password.wrong())
}

fn derive_pbkdf2(
    derivation: &AlgorithmIdentifier,
    length: usize,
    password: &Password,
    budget: &mut IterationBudget,
) -> Result<Vec<u8>> {
    // Others, such as scrypt, are written by no tool for this.
    if derivation.oid != PBKDF2 {
        let kind = format!("key derivation {}", derivation.oid);
        return Err(CertificateError::Unsupported(kind));
    }
    let parameters = derivation.parameters.as_ref().ok_or(CertificateError::Damaged("the PFX"))?;
    let Pbkdf2Parameters { salt, iterations, key_length, prf } =
        parameters.decode_as().map_err(damaged)?;
    if key_length.is_some_and(|key_length| usize::from(key_length) != length) {
        return Err(CertificateError::Damaged("the PFX"));
    }
    let prf = match prf.map_or(HMAC_SHA1, |prf| prf.oid) {
        HMAC_SHA1 => pbkdf2::PBKDF2_HMAC_SHA1,
        HMAC_SHA256 => pbkdf2::PBKDF2_HMAC_SHA256,
        HMAC_SHA384 => pbkdf2::PBKDF2_HMAC_SHA384,
        HMAC_SHA512 => pbkdf2::PBKDF2_HMAC_SHA512,
        other => {
            let kind = format!("key derivation by {other}");
            return Err(CertificateError::Unsupported(kind));
        }
    };
    let iterations = budget.spend(iterations)?;
    let mut key = vec![0; length];
    pbkdf2::derive(prf, iterations, salt.as_bytes(), &password.utf8, &mut key);
    Ok(key)
}

/// `None` if the padding is wrong, which a wrong key nearly always leads to.
fn aes_cbc(
    algorithm: &'static Algorithm,
    key: &[u8],
    vector: &[u8],
    data: &[u8],
) -> Option<Vec<u8>> {
    let key = UnboundCipherKey::new(algorithm, key).ok()?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).ok()?;
    let context = DecryptionContext::Iv128(vector.try_into().ok()?);
    let mut buffer = data.to_vec();
    key.decrypt(&mut buffer, context).ok().map(|decrypted| decrypted.to_vec())
}

/// The same of a cipher that aws-lc does not have; `secrets` are key and initial
/// vector.
fn legacy_cbc<C>(secrets: &(Vec<u8>, Vec<u8>), data: &[u8]) -> Option<Vec<u8>>
where
    C: BlockCipherDecrypt + KeyInit,
{
    let (key, vector) = secrets;
    let cipher = cbc::Decryptor::<C>::new_from_slices(key, vector).ok()?;
    cipher.decrypt_padded_vec::<Pkcs7>(data).ok()
}

fn unsupported_encryption(algorithm: &ObjectIdentifier) -> CertificateError {
    CertificateError::Unsupported(format!("encryption {algorithm}"))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn all_key_derivations_of_a_file_share_one_budget() {
        let mut budget = IterationBudget::full();
        let password = Password::new("");
        let salt = OctetString::new([0; 8]).unwrap();
        let mut derive = |iterations| {
            let sha1 = &digest::SHA1_FOR_LEGACY_USE_ONLY;
            password.derive(sha1, Purpose::Mac, &salt, iterations, 20, &mut budget)
        };
        let begun = Instant::now();
        assert_eq!(derive(u32::MAX), Err(CertificateError::TooExpensive));
        assert_eq!(derive(0), Err(CertificateError::Damaged("the PFX")));
        assert!(derive(1_000).is_ok());
        assert_eq!(derive(1_999_001), Err(CertificateError::TooExpensive));
        assert!(begun.elapsed().as_secs() < 5);
    }

    #[test]
    fn debug_prints_no_password() {
        assert_eq!(format!("{:?}", Password::new("s3cret")), "Password");
    }
}
