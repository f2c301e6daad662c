//! The CA bundle in the `MutatingWebhookConfiguration`: whom the API server
//! trusts as the webhook.
//!
//! CAs that somebody else put there stay, as they are and where they are.

use std::time::SystemTime;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::{issue::CA_NAME_PREFIX, pair::system_time};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The certificates of a CA bundle, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    authorities: Vec<Authority>,
}

/// One CA of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Authority {
    pem: String,
    der: CertificateDer<'static>,
    not_after: Option<SystemTime>,
    ours: bool,
}

impl Bundle {
    /// Reads a bundle. What is no certificate is left out: the API server
    /// cannot use it either.
    pub fn parse(text: &str) -> Self {
        let mut authorities = Vec::new();
        let mut rest = text;
        while let Some((_, from)) = rest.split_once(BEGIN) {
            let Some((body, tail)) = from.split_once(END) else { break };
            // One that was cut off must not take the next one with it.
            let body = body.rsplit(BEGIN).next().unwrap_or(body);
            authorities.extend(Authority::parse(format!("{BEGIN}{body}{END}\n")));
            rest = tail;
        }
        Self { authorities }
    }

    /// The bundle as PEM.
    pub fn pem(&self) -> String {
        self.authorities.iter().map(|authority| authority.pem.as_str()).collect()
    }

    /// Whether the API server trusts `ca`.
    pub fn holds(&self, ca: &CertificateDer<'_>) -> bool {
        self.authorities.iter().any(|authority| authority.der == *ca)
    }

    /// Whether a certificate of ours could be trusted at `now`: then replicas
    /// may be serving one.
    pub fn trusts_ours(&self, now: SystemTime) -> bool {
        self.authorities
            .iter()
            .any(|authority| authority.ours && authority.not_after.is_some_and(|end| end >= now))
    }

    /// Adds a CA at the end, unless it is there.
    pub fn add(&mut self, pem: &str) {
        for authority in Self::parse(pem).authorities {
            if !self.holds(&authority.der) {
                self.authorities.push(authority);
            }
        }
    }

    /// How many CAs of ours are not `keep`.
    pub fn stale(&self, keep: &CertificateDer<'_>) -> usize {
        self.authorities.iter().filter(|authority| authority.is_stale(keep)).count()
    }

    /// Removes the CAs of ours that are not `keep`.
    pub fn prune(&mut self, keep: &CertificateDer<'_>) {
        self.authorities.retain(|authority| !authority.is_stale(keep));
    }
}

impl Authority {
    fn parse(pem: String) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        let not_after = system_time(certificate.validity().not_after);
        let ours = certificate
            .subject()
            .iter_common_name()
            .any(|name| name.as_str().is_ok_and(|name| name.starts_with(CA_NAME_PREFIX)));
        Some(Self { pem, der, not_after, ours })
    }

    fn is_stale(&self, keep: &CertificateDer<'_>) -> bool {
        self.ours && self.der != *keep
    }
}

#[cfg(test)]
mod tests;
