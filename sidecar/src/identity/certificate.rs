//! An application's certificate with its private key, from a file of any of
//! the forms in which people hold one.
//!
//! The form is recognised by content: the Secrets Store CSI driver writes
//! files without extension, as raw PFX or as base64 text of one. Key and
//! certificate belong together if their public keys are equal; the ids inside
//! a PFX that should say so are optional, and some tools write them wrong.

mod decrypt;
mod pem;
mod pfx;

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{digest, rsa};
use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use x509_parser::prelude::{FromDer, X509Certificate};

/// A larger file is none of these forms: a PFX with a chain has 10 KiB.
pub(super) const MAX_FILE_BYTES: usize = 256 << 10;

/// A certificate and the key that signs in its name.
pub struct Certificate {
    pub(super) key: rsa::KeyPair,
    /// DER, leaf first, each followed by its issuer as far as the file has it.
    pub(super) chain: Vec<Vec<u8>>,
    /// What can be said of it.
    pub summary: Summary,
}

/// Prints no key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("summary", &self.summary)
            .field("chain", &self.chain.len())
            .finish_non_exhaustive()
    }
}

/// What identifies a certificate to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The subject, such as `CN=prometheus`.
    pub subject: String,
    /// SHA-1 of the DER in upper-case hexadecimals, as Azure's portal shows it.
    pub thumbprint: String,
    /// Before it, Entra refuses the certificate.
    pub not_before: SystemTime,
    /// After it, Entra refuses the certificate.
    pub not_after: SystemTime,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with thumbprint {}", self.subject, self.thumbprint)
    }
}

/// Why a file holds no usable certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// None of the accepted forms.
    #[error("found neither a PFX (binary or base64 text) nor PEM with a certificate")]
    Unrecognised,
    /// One of the forms, cut off or damaged.
    #[error("found a damaged file: cannot read {0}")]
    Damaged(&'static str),
    /// The password opens neither the integrity check nor the contents.
    #[error(
        "cannot open the PFX with {}",
        if *.given { "the password of AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE" }
        else { "an empty password: if it has one, set AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE" }
    )]
    WrongPassword {
        /// Whether a password was given, other than the empty one.
        given: bool,
    },
    /// A method of encryption or integrity that is not known here.
    #[error("cannot open the PFX: it uses {0}, which is not supported")]
    Unsupported(String),
    /// Key derivation that would take minutes: a damaged file or an attack.
    #[error("refuse to open the PFX: it asks for more than {MAX_ITERATIONS} iterations")]
    TooExpensive,
    /// A certificate alone.
    #[error("found a certificate without its private key: export it with the key")]
    NoPrivateKey,
    /// A key in PEM that needs a password.
    #[error("found an encrypted private key in PEM: use a PFX, or store the key unencrypted")]
    EncryptedKey,
    /// A key alone.
    #[error("found a private key without a certificate")]
    NoCertificate,
    /// A key of a kind that Entra does not accept.
    #[error("found an {0} key: Entra accepts RSA only, so issue the certificate with an RSA key")]
    UnsupportedKey(&'static str),
    /// An RSA key that is damaged or too small.
    #[error("cannot use the RSA key: it must have 2048 to 8192 bits and be whole")]
    UnusableKey,
    /// Keys and certificates, but no two that belong together.
    #[error("found a private key that belongs to none of the certificates beside it")]
    KeyMismatch,
}

/// Over a whole file. Usual are 2,000 to 10,000 for each of three derivations,
/// newer tools take up to 600,000; these are a second or two at most.
const MAX_ITERATIONS: u32 = 2_000_000;

/// What a file holds, before it is known what belongs together.
#[derive(Default)]
struct Contents {
    keys: Vec<PrivateKey>,
    /// DER.
    certificates: Vec<Vec<u8>>,
}

/// DER of a private key.
enum PrivateKey {
    Pkcs8(Vec<u8>),
    Pkcs1(Vec<u8>),
    /// SEC 1: elliptic curves, never usable.
    Sec1,
}

impl Certificate {
    /// Reads a file's content; `password` is empty where there is none.
    pub fn from_bytes(content: &[u8], password: &str) -> Result<Self, CertificateError> {
        if content.len() > MAX_FILE_BYTES {
            return Err(CertificateError::Unrecognised);
        }
        let contents = if pem::is_pem(content) {
            pem::read(content)?
        } else if let Some(der) = base64_text(content) {
            pfx::read(&der, password)?
        } else {
            pfx::read(content, password)?
        };
        Self::from_contents(&contents)
    }

    /// The first key and certificate that belong together.
    fn from_contents(contents: &Contents) -> Result<Self, CertificateError> {
        if contents.certificates.is_empty() {
            return Err(if contents.keys.is_empty() {
                CertificateError::Unrecognised
            } else {
                CertificateError::NoCertificate
            });
        }
        let mut rejected = CertificateError::NoPrivateKey;
        for key in &contents.keys {
            match rsa_key(key) {
                Err(error) => rejected = error,
                Ok(key) => match leaf_of(&key, &contents.certificates)? {
                    Some(leaf) => return Self::new(key, leaf, &contents.certificates),
                    None => rejected = CertificateError::KeyMismatch,
                },
            }
        }
        Err(rejected)
    }

    fn new(key: rsa::KeyPair, leaf: &[u8], all: &[Vec<u8>]) -> Result<Self, CertificateError> {
        let parsed = parse(leaf)?;
        let summary = Summary {
            subject: parsed.subject().to_string(),
            thumbprint: hexadecimal(
                digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, leaf).as_ref(),
            ),
            not_before: time_of(parsed.validity().not_before.timestamp()),
            not_after: time_of(parsed.validity().not_after.timestamp()),
        };
        Ok(Self { key, chain: chain_of(leaf, all), summary })
    }

    /// The certificate itself, DER.
    pub(super) fn leaf(&self) -> &[u8] {
        self.chain.first().map_or(&[], Vec::as_slice)
    }
}

/// The bytes that a file of base64 text stands for; `None` if it is none.
fn base64_text(content: &[u8]) -> Option<Vec<u8>> {
    /// Padding is left out by some tools.
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    // A byte order mark is what PowerShell's redirection leaves.
    let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let letters: Vec<u8> = text.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    LENIENT.decode(letters).ok().filter(|der| !der.is_empty())
}

fn rsa_key(key: &PrivateKey) -> Result<rsa::KeyPair, CertificateError> {
    let unusable = |_| CertificateError::UnusableKey;
    match key {
        PrivateKey::Sec1 => Err(CertificateError::UnsupportedKey("elliptic curve (EC)")),
        PrivateKey::Pkcs1(der) => rsa::KeyPair::from_der(der).map_err(unusable),
        PrivateKey::Pkcs8(der) => match pfx::foreign_key_kind(der) {
            Some(kind) => Err(CertificateError::UnsupportedKey(kind)),
            None => rsa::KeyPair::from_pkcs8(der).map_err(unusable),
        },
    }
}

/// The certificate with the same public key.
fn leaf_of<'a>(
    key: &rsa::KeyPair,
    certificates: &'a [Vec<u8>],
) -> Result<Option<&'a [u8]>, CertificateError> {
    use aws_lc_rs::signature::KeyPair;
    for der in certificates {
        let certificate = parse(der)?;
        if certificate.public_key().subject_public_key.data.as_ref() == key.public_key().as_ref() {
            return Ok(Some(der));
        }
    }
    Ok(None)
}

/// The leaf, then each time the certificate that issued the one before.
fn chain_of(leaf: &[u8], all: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut chain = vec![leaf.to_vec()];
    while let Some(last) = chain.last() {
        let Ok(last) = parse(last) else { break };
        let issuer = all.iter().find(|der| {
            !chain.contains(der)
                && parse(der).is_ok_and(|other| other.subject().as_raw() == last.issuer().as_raw())
        });
        let Some(issuer) = issuer.cloned() else { break };
        chain.push(issuer);
    }
    chain
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    let damaged = |_| CertificateError::Damaged("a certificate");
    X509Certificate::from_der(der).map(|(_, certificate)| certificate).map_err(damaged)
}

/// A certificate's time; those before 1970 are none that matter.
fn time_of(timestamp: i64) -> SystemTime {
    let since = Duration::from_secs(timestamp.try_into().unwrap_or(0));
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}
