//! A CA bundle: the CAs that the API server trusts for the webhook.

use std::fmt::Write;

use aws_lc_rs::digest::{Context, SHA256};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

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
}

impl Bundle {
    /// Reads a bundle. Text that is no certificate is left out: the API server
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

    /// Whether it has no CA.
    pub const fn is_empty(&self) -> bool {
        self.authorities.is_empty()
    }

    /// Whether it has every CA of `other`.
    pub fn includes(&self, other: &Self) -> bool {
        other.authorities.iter().all(|authority| self.has(authority))
    }

    /// Adds the CAs of `other` that it does not have yet, at the end.
    pub fn add(&mut self, other: &Self) {
        for authority in &other.authorities {
            if !self.has(authority) {
                self.authorities.push(authority.clone());
            }
        }
    }

    /// Those of its CAs that `keep` accepts.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&CertificateDer<'static>) -> bool) -> Self {
        let kept = self.authorities.iter().filter(|authority| keep(&authority.der));
        Self { authorities: kept.cloned().collect() }
    }

    /// A short text that differs where the CAs differ, in hexadecimal: the
    /// first 8 bytes of a SHA-256 over the certificates in their order.
    pub fn fingerprint(&self) -> String {
        let mut digest = Context::new(&SHA256);
        for authority in &self.authorities {
            digest.update(&authority.der);
        }
        digest.finish().as_ref().iter().take(8).fold(String::new(), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        })
    }

    fn has(&self, authority: &Authority) -> bool {
        self.authorities.iter().any(|own| own.der == authority.der)
    }
}

impl Authority {
    fn parse(pem: String) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        X509Certificate::from_der(&der).ok()?;
        Some(Self { pem, der })
    }
}

#[cfg(test)]
mod tests;
