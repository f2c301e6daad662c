//! A stored certificate: whether it is valid, and until when.
//!
//! The content of a Secret was written by this program or by another one, or is
//! incomplete. A [`Pair`] has been checked: the key matches the certificate, which the
//! CA next to it has signed.

use std::{
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    sign::CertifiedKey,
};
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, prelude::FromDer, time::ASN1Time,
};

use crate::{bundle::Bundle, lifetime::CLOCK_SKEW};

/// A certificate, its key and its CA, in PEM.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pem {
    /// The CA's certificate.
    pub ca: String,
    /// The serving certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

impl Pem {
    /// Whether there is nothing at all.
    pub const fn is_empty(&self) -> bool {
        self.ca.is_empty() && self.certificate.is_empty() && self.key.is_empty()
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.key.is_empty() { "" } else { "<redacted>" };
        f.debug_struct("Pem")
            .field("ca", &self.ca)
            .field("certificate", &self.certificate)
            .field("key", &key)
            .finish()
    }
}

/// A certificate whose key and CA belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pem: Pem,
    ca: Bundle,
    names: Vec<String>,
    not_before: SystemTime,
    not_after: SystemTime,
}

/// Why what is stored is no [`Pair`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Nothing is stored.
    #[error("there is no certificate")]
    Absent,
    /// Not one certificate in PEM.
    #[error("the certificate cannot be read")]
    Certificate,
    /// Not one private key in PEM.
    #[error("the private key cannot be read")]
    Key,
    /// Not one CA certificate in PEM.
    #[error("the CA's certificate cannot be read")]
    Ca,
    /// The key is another certificate's.
    #[error("certificate and private key do not match")]
    Mismatch,
    /// The CA did not sign the certificate, or may not.
    #[error("the certificate was not issued by the CA in ca.crt")]
    Stranger,
}

impl Pair {
    /// Checks `pem`. Whether the certificate is still valid is not asked.
    pub fn parse(pem: Pem) -> Result<Self, Damage> {
        if pem.is_empty() {
            return Err(Damage::Absent);
        }
        let leaf = only_certificate(&pem.certificate).ok_or(Damage::Certificate)?;
        let ca = only_certificate(&pem.ca).ok_or(Damage::Ca)?;
        let key = PrivateKeyDer::from_pem_slice(pem.key.as_bytes()).map_err(|_| Damage::Key)?;
        let (_, parsed) = X509Certificate::from_der(&leaf).map_err(|_| Damage::Certificate)?;
        let names = names(&parsed);
        let not_before = system_time(parsed.validity().not_before).ok_or(Damage::Certificate)?;
        let not_after = system_time(parsed.validity().not_after).ok_or(Damage::Certificate)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        belong_together(&leaf, key, &provider)?;
        vouches(&ca, (&leaf, &[]), names.first(), not_after, provider)?;
        let ca = Bundle::parse(&pem.ca);
        Ok(Self { pem, ca, names, not_before, not_after })
    }

    /// What was checked.
    pub const fn pem(&self) -> &Pem {
        &self.pem
    }

    /// The same, for those who need nothing else.
    pub fn into_pem(self) -> Pem {
        self.pem
    }

    /// The CA that a client must trust.
    pub const fn ca(&self) -> &Bundle {
        &self.ca
    }

    /// The end of the last second in which the certificate is valid.
    pub const fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// When it should be renewed: after two thirds of its lifetime, which
    /// leaves one third for retries.
    pub fn renewal(&self) -> SystemTime {
        let validity = self.not_after.duration_since(self.not_before).unwrap_or_default();
        // Another program's certificate may be valid for hours only, without our
        // allowance.
        match validity.checked_sub(CLOCK_SKEW) {
            Some(lifetime) => self.not_before + CLOCK_SKEW + lifetime * 2 / 3,
            None => self.not_before + validity * 2 / 3,
        }
    }

    /// From when on it is valid.
    pub const fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// The first of `names` for which it does not stand.
    pub fn missing<'a>(&self, names: &'a [String]) -> Option<&'a String> {
        names.iter().find(|name| !self.names.contains(name))
    }
}

/// The CAs in `bundle` that have issued the first certificate of `chain`, PEM, directly or
/// through others in it. None if it cannot be read.
pub(crate) fn issuers(bundle: &Bundle, chain: &str) -> Bundle {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(chain.as_bytes()).map_while(Result::ok).collect();
    let found = chain.split_first().and_then(|(leaf, intermediates)| {
        let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
        let at = system_time(parsed.validity().not_after)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let name = names(&parsed).into_iter().next();
        Some(bundle.filtered(|ca| {
            vouches(ca, (leaf, intermediates), name.as_ref(), at, Arc::clone(&provider)).is_ok()
        }))
    });
    found.unwrap_or_default()
}

fn only_certificate(pem: &str) -> Option<CertificateDer<'static>> {
    let mut certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
    let first = certificates.next()?.ok()?;
    certificates.next().is_none().then_some(first)
}

fn belong_together(
    leaf: &CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<(), Damage> {
    match CertifiedKey::from_der(vec![leaf.clone()], key, provider) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => Err(Damage::Mismatch),
        Err(rustls::Error::InvalidCertificate(_)) => Err(Damage::Certificate),
        Err(_) => Err(Damage::Key),
    }
}

/// Looks at the certificate as a client that trusts `ca` alone, in the last
/// second in which it could be valid.
fn vouches(
    ca: &CertificateDer<'static>,
    (leaf, intermediates): (&CertificateDer<'static>, &[CertificateDer<'static>]),
    name: Option<&String>,
    at: SystemTime,
    provider: Arc<CryptoProvider>,
) -> Result<(), Damage> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).map_err(|_| Damage::Ca)?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|_| Damage::Ca)?;
    let name = name.and_then(|name| ServerName::try_from(name.as_str()).ok());
    let name = name.ok_or(Damage::Certificate)?;
    let at = at.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| Damage::Certificate)?;
    verifier
        .verify_server_cert(leaf, intermediates, &name, &[], UnixTime::since_unix_epoch(at))
        .map(|_| ())
        .map_err(|_| Damage::Stranger)
}

/// The DNS names and the addresses that it stands for.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    };
    names.iter().filter_map(text).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// An X.509 time; `None` before 1970.
pub(crate) fn system_time(time: ASN1Time) -> Option<SystemTime> {
    let seconds = u64::try_from(time.timestamp()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
