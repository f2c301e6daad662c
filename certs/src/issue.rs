//! A CA and the only certificate that it signs.
//!
//! # Alternatives considered
//!
//! The key of a long-lived CA would have to be stored, and anyone who reads it can
//! impersonate the webhook, and so rewrite every pod. Here the key exists only while
//! this function runs, and CA and certificate expire together.

use std::{net::IpAddr, time::SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use time::OffsetDateTime;

use crate::{
    lifetime::{CLOCK_SKEW, Lifetime},
    pair::{Damage, Pair, Pem},
};

/// The subject of every CA that is issued here; the issue time follows it, so that two
/// CAs in one bundle can be distinguished.
pub const CA_NAME_PREFIX: &str = "prom-remotewrite webhook CA";

/// For whom a certificate is issued, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Host names; for a webhook `SERVICE.NAMESPACE.svc`.
    pub dns_names: Vec<String>,
    /// Addresses, for servers that are called by address.
    pub addresses: Vec<IpAddr>,
    /// The lifetime of CA and certificate from now on.
    pub lifetime: Lifetime,
}

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Without a name no client would accept the certificate.
    #[error("cannot issue a certificate without a name: set a DNS name or an address")]
    NoName,
    /// A name that no certificate can hold.
    #[error("cannot issue a certificate for {0:?}: it is not a DNS name")]
    BadName(String),
    /// The lifetime exceeds the last year that X.509 can represent.
    #[error("cannot issue a certificate that expires after the year 9999")]
    TooLate,
    /// The cryptography library refused.
    #[error("cannot create the certificate")]
    Crypto(#[from] rcgen::Error),
    /// What was issued does not belong together.
    #[error("cannot use the certificate that was issued")]
    Unusable(#[source] Damage),
}

/// Issues a CA and a certificate for `request`, both ECDSA P-256, which every
/// API server accepts (Ed25519 is refused by some distributions).
pub fn issue(request: &Request, now: SystemTime) -> Result<Pair, Error> {
    let span = Span::new(request.lifetime, now)?;
    let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let ca_params = ca_params(&span)?;
    let ca = ca_params.self_signed(&ca_key)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate =
        leaf_params(request, &span)?.signed_by(&key, &Issuer::new(ca_params, ca_key))?;
    let pem = Pem { ca: ca.pem(), certificate: certificate.pem(), key: key.serialize_pem() };
    Pair::parse(pem).map_err(Error::Unusable)
}

/// When a certificate is valid, to the second: X.509 has no fractions.
struct Span {
    issued: OffsetDateTime,
    start: OffsetDateTime,
    end: OffsetDateTime,
}

impl Span {
    fn new(lifetime: Lifetime, now: SystemTime) -> Result<Self, Error> {
        let issued = OffsetDateTime::from(now).replace_nanosecond(0).map_err(|_| Error::TooLate)?;
        let lifetime = time::Duration::try_from(lifetime.duration()).map_err(|_| Error::TooLate)?;
        let end = issued.checked_add(lifetime).ok_or(Error::TooLate)?;
        Ok(Self { issued, start: issued - CLOCK_SKEW, end })
    }
}

fn ca_params(span: &Span) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    (params.not_before, params.not_after) = (span.start, span.end);
    let name = format!("{CA_NAME_PREFIX} {}", span.issued.unix_timestamp());
    params.distinguished_name.push(DnType::CommonName, name);
    // It signs servers' certificates only, no further CA.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    Ok(params)
}

fn leaf_params(request: &Request, span: &Span) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    (params.not_before, params.not_after) = (span.start, span.end);
    for name in &request.dns_names {
        params.subject_alt_names.push(SanType::DnsName(dns_name(name)?));
    }
    params.subject_alt_names.extend(request.addresses.iter().copied().map(SanType::IpAddress));
    if params.subject_alt_names.is_empty() {
        return Err(Error::NoName);
    }
    // Clients look at the alternative names alone; this is for people.
    params.distinguished_name.push(DnType::CommonName, "prom-remotewrite webhook");
    // Written out, since only then the subject key identifier is written too.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// A name that a TLS client can ask for; rcgen itself accepts any ASCII text.
fn dns_name(name: &str) -> Result<rcgen::string::Ia5String, Error> {
    let bad = || Error::BadName(name.to_owned());
    rustls::pki_types::DnsName::try_from(name).map_err(|_| bad())?;
    name.try_into().map_err(|_| bad())
}

#[cfg(test)]
mod tests;
