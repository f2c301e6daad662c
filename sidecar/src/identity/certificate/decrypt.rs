//! The locks of a PFX: PBES2 (today's), and the older methods of RFC 7292,
//! which Windows and `openssl pkcs12 -legacy` still write.

use std::fmt;

use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit, block_padding::Pkcs7};
use der::{
    Decode, Encode, Reader, SliceReader,
    asn1::{ObjectIdentifier, OctetString},
};
use pkcs5::pbes2;
use pkcs12::kdf::{Pkcs12KeyType, derive_key};
use sha1::Sha1;
use spki::AlgorithmIdentifierOwned;

use super::{CertificateError, MAX_ITERATIONS};

type Result<T> = std::result::Result<T, CertificateError>;

const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
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
        CertificateError::WrongPassword { given: !self.utf8.is_empty() }
    }
}

/// The iterations that a file may still spend.
#[derive(Debug)]
pub(super) struct Purse(u32);

impl Purse {
    pub(super) fn full() -> Self {
        Self(MAX_ITERATIONS)
    }

    fn spend(&mut self, iterations: u32) -> Result<()> {
        self.0 = self.0.checked_sub(iterations).ok_or(CertificateError::TooExpensive)?;
        Ok(())
    }
}

/// Derives a key of `length` bytes as RFC 7292, appendix B, has it.
pub(super) fn derive<D>(
    password: &Password,
    salt: &[u8],
    kind: Pkcs12KeyType,
    rounds: i32,
    length: usize,
    purse: &mut Purse,
) -> Result<Vec<u8>>
where
    D: sha1::Digest + sha1::digest::FixedOutputReset + sha1::digest::block_api::BlockSizeUser,
{
    let iterations = u32::try_from(rounds).ok().filter(|rounds| *rounds > 0);
    purse.spend(iterations.ok_or(CertificateError::Damaged("the PFX"))?)?;
    Ok(derive_key::<D>(&password.utf16, salt, kind, rounds, length))
}

/// Opens one box.
pub(super) fn decrypt(
    algorithm: &AlgorithmIdentifierOwned,
    data: &[u8],
    password: &Password,
    purse: &mut Purse,
) -> Result<Vec<u8>> {
    let parameters = algorithm.parameters.as_ref().ok_or(CertificateError::Damaged("the PFX"))?;
    let parameters = parameters.to_der().map_err(damaged)?;
    match algorithm.oid {
        PBES2 => decrypt_pbes2(&parameters, data, password, purse),
        TRIPLE_DES => Locked::new(&parameters, 24)?.open::<des::TdesEde3>(data, password, purse),
        TWO_KEY_TRIPLE_DES => {
            Locked::new(&parameters, 16)?.open::<des::TdesEde2>(data, password, purse)
        }
        RC2_128 => Locked::new(&parameters, 16)?.open::<rc2::Rc2>(data, password, purse),
        RC2_40 => Locked::new(&parameters, 5)?.open::<rc2::Rc2>(data, password, purse),
        other => Err(CertificateError::Unsupported(format!("encryption {other}"))),
    }
}

fn decrypt_pbes2(
    parameters: &[u8],
    data: &[u8],
    password: &Password,
    purse: &mut Purse,
) -> Result<Vec<u8>> {
    let unknown = |_| CertificateError::Unsupported("an unknown kind of PBES2".to_owned());
    let parameters = pbes2::Parameters::from_der(parameters).map_err(unknown)?;
    // No tool writes scrypt, and its parameters can ask for gigabytes.
    let Some(kdf) = parameters.kdf.pbkdf2() else {
        return Err(CertificateError::Unsupported("scrypt".to_owned()));
    };
    purse.spend(kdf.iteration_count)?;
    let mut buffer = data.to_vec();
    let opened = parameters.decrypt_in_place(&password.utf8, &mut buffer);
    opened.map(<[u8]>::to_vec).map_err(|error| match error {
        pkcs5::Error::UnsupportedAlgorithm { oid } => {
            CertificateError::Unsupported(format!("encryption {oid}"))
        }
        _ => password.wrong(),
    })
}

/// Parameters of the older methods: all derive key and start value by SHA-1.
struct Locked {
    salt: Vec<u8>,
    rounds: i32,
    key_length: usize,
}

impl Locked {
    fn new(parameters: &[u8], key_length: usize) -> Result<Self> {
        let mut reader = SliceReader::new(parameters).map_err(damaged)?;
        let (salt, rounds) = reader
            .sequence(|reader: &mut SliceReader<'_>| {
                Ok::<_, der::Error>((OctetString::decode(reader)?, reader.decode()?))
            })
            .map_err(damaged)?;
        Ok(Self { salt: salt.into_bytes().into(), rounds, key_length })
    }

    fn open<C>(&self, data: &[u8], password: &Password, purse: &mut Purse) -> Result<Vec<u8>>
    where
        C: BlockCipherDecrypt + KeyInit,
    {
        let mut derived =
            |kind, length| derive::<Sha1>(password, &self.salt, kind, self.rounds, length, purse);
        let key = derived(Pkcs12KeyType::EncryptionKey, self.key_length)?;
        let start = derived(Pkcs12KeyType::Iv, 8)?;
        let cipher = cbc::Decryptor::<C>::new_from_slices(&key, &start)
            .map_err(|_| CertificateError::Damaged("the PFX"))?;
        cipher.decrypt_padded_vec::<Pkcs7>(data).map_err(|_| password.wrong())
    }
}

fn damaged(_: der::Error) -> CertificateError {
    CertificateError::Damaged("the PFX")
}
