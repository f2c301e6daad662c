//! An application's certificate with its private key, from a file of any of
//! the forms in which people hold one.
//!
//! The form is recognised by content: the Secrets Store CSI driver writes
//! files without extension, as raw PFX or as base64 text of one. Key and
//! certificate belong together if their public keys are equal; the ids inside
//! a PFX that should say so are optional, and some tools write them wrong.

mod pair;
mod pem;
mod pfx;
#[cfg(test)]
mod tests;

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

/// From here on before its end, a certificate is worth a warning: time enough for
/// people to renew it.
pub(crate) const WARN_BEFORE_EXPIRY: Duration = Duration::from_hours(30 * 24);

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

impl Summary {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let der = certificate.as_raw();
        let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der);
        Self {
            subject: certificate.subject().to_string(),
            thumbprint: hexadecimal(thumbprint.as_ref()),
            not_before: time_of(certificate.validity().not_before.timestamp()),
            not_after: time_of(certificate.validity().not_after.timestamp()),
        }
    }
}

/// What to do before a certificate ends that has no successor in its file.
pub(crate) const RENEWAL_ADVICE: &str = "renew it in Key Vault and register the new one with the application; if the vault has a newer one already, the mounted file does not follow it, because secret rotation of the CSI driver is off: `az aks addon update --resource-group GROUP --name CLUSTER --addon azure-keyvault-secrets-provider --enable-secret-rotation`, or restart the pod";

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
        if *.has_password { "the password of AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE" }
        else { "an empty password: if it has one, set AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE" }
    )]
    WrongPassword {
        /// Whether a password was given, other than the empty one.
        has_password: bool,
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
    #[error("found a private key that matches none of the certificates in the file")]
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

    /// The key and certificate that belong together.
    fn from_contents(contents: &Contents) -> Result<Self, CertificateError> {
        let Contents { keys, certificates } = contents;
        if certificates.is_empty() {
            return Err(if keys.is_empty() {
                CertificateError::Unrecognised
            } else {
                CertificateError::NoCertificate
            });
        }
        let all = certificates.iter().map(|der| parse(der)).collect::<Result<Vec<_>, _>>()?;
        let mut rejected = CertificateError::NoPrivateKey;
        let mut pairs = Vec::new();
        for key in keys {
            match rsa_key(key) {
                Err(error) => rejected = error,
                Ok(key) => match pair::leaf_of(&key, &all) {
                    Some(leaf) => pairs.push((key, leaf)),
                    None => rejected = CertificateError::KeyMismatch,
                },
            }
        }
        let best = pairs.into_iter().max_by_key(|(_, leaf)| pair::rank(leaf, &all));
        let (key, leaf) = best.ok_or(rejected)?;
        let chain = pair::chain_of(leaf, &all).iter().map(|link| link.as_raw().to_vec()).collect();
        Ok(Self { key, chain, summary: Summary::of(leaf) })
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
