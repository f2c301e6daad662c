//! Certificates of a run: a private authority for the servers, and the
//! certificate with which an application proves who it is.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize,
};
use rustls::{
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::ResolvesServerCertUsingSni,
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{
    failure::{Context, Outcome},
    keys::pfx,
    machine::clock::Clock,
};

/// How long a certificate of a run lives: beyond every threshold at which a
/// program begins to warn.
const LIFETIME: Duration = Duration::days(90);
/// Clocks differ, so a certificate is valid from a little earlier.
const BACKDATED: Duration = Duration::hours(1);

/// A certificate authority that no one but this run trusts.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority.
    pub fn new(name: &str) -> Outcome<Self> {
        let mut params = params(name)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("make a key for the authority")?;
        let issuer = CertifiedIssuer::self_signed(params, key)
            .context("sign the authority's certificate")?;
        Ok(Self { issuer })
    }

    /// Its certificate, for those who should trust it.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Its certificate as a set of trusted roots.
    pub fn roots(&self) -> Outcome<rustls::RootCertStore> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.issuer.der().clone()).context("trust the authority")?;
        Ok(roots)
    }

    /// Its certificate, for those who register it.
    pub fn der(&self) -> &CertificateDer<'static> {
        self.issuer.der()
    }

    /// An application's certificate that it signs.
    pub fn application(&self, name: &str) -> Outcome<ApplicationCertificate> {
        let key = application_key()?;
        let signed = params(name)?.signed_by(&key, &self.issuer);
        let certificate = signed.context("sign the application's certificate")?.der().clone();
        Ok(ApplicationCertificate { certificate, chain: vec![self.der().clone()], key })
    }

    /// What a TLS server under `names` needs.
    pub fn server(&self, names: &[&str]) -> Outcome<rustls::ServerConfig> {
        let (certificate, key) = self.issue(names)?;
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], private)
            .context("use the server's certificate")?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// What a TLS server needs that answers to this name alone, and to nobody who asks
    /// for another or for none.
    pub fn server_for(&self, name: &str) -> Outcome<rustls::ServerConfig> {
        let (certificate, key) = self.issue(&[name])?;
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = any_supported_type(&private).context("use the server's key")?;
        let mut names = ResolvesServerCertUsingSni::new();
        names
            .add(name, CertifiedKey::new(vec![certificate], key))
            .context("use the server's certificate")?;
        let config = rustls::ServerConfig::builder().with_no_client_auth();
        Ok(config.with_cert_resolver(Arc::new(names)))
    }

    /// The same as files: certificate and key, PEM.
    pub fn server_pem(&self, names: &[&str]) -> Outcome<(String, String)> {
        let (certificate, key) = self.issue(names)?;
        Ok((pfx::pem("CERTIFICATE", &certificate), key.serialize_pem()))
    }

    fn issue(&self, names: &[&str]) -> Outcome<(CertificateDer<'static>, KeyPair)> {
        let mut params = params(names.first().copied().unwrap_or("server"))?;
        params.subject_alt_names =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
                .context("name the server")?
                .subject_alt_names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().context("make the server's key")?;
        let certificate =
            params.signed_by(&key, &self.issuer).context("sign the server's certificate")?;
        Ok((certificate.der().clone(), key))
    }
}

/// An application's certificate with its RSA key, as Key Vault makes them:
/// signed by itself, or by an authority.
pub struct ApplicationCertificate {
    certificate: CertificateDer<'static>,
    /// The authority's, if there is one.
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl ApplicationCertificate {
    /// A new certificate.
    pub fn new(name: &str) -> Outcome<Self> {
        Self::valid_for(name, std::time::Duration::try_from(LIFETIME).unwrap_or_default())
    }

    /// A new certificate that ends so long from now.
    pub fn valid_for(name: &str, lifetime: std::time::Duration) -> Outcome<Self> {
        let key = application_key()?;
        let mut params = params(name)?;
        params.not_after = OffsetDateTime::from(Clock::default().now()) + lifetime;
        let certificate = params.self_signed(&key).context("sign the application's certificate")?;
        Ok(Self { certificate: certificate.der().clone(), chain: Vec::new(), key })
    }

    /// The certificate alone, which is what gets registered with Entra.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The private key, PKCS#8.
    pub fn key_der(&self) -> &[u8] {
        self.key.serialized_der()
    }

    /// The public key, PKCS#1.
    pub fn public_key(&self) -> Outcome<Vec<u8>> {
        let (_, certificate) =
            X509Certificate::from_der(&self.certificate).context("read the certificate")?;
        Ok(certificate.public_key().subject_public_key.data.to_vec())
    }

    /// Certificate and key as the Key Vault provider of the Secrets Store CSI
    /// driver writes them: a PFX with an empty password.
    pub fn pfx(&self) -> Outcome<Vec<u8>> {
        pfx::write(&self.certificate, &self.chain, self.key_der(), "")
    }

    /// The certificate alone, PEM.
    pub fn certificate_pem(&self) -> String {
        pfx::pem("CERTIFICATE", &self.certificate)
    }

    /// Certificate and key in one PEM file.
    pub fn pem(&self) -> String {
        format!("{}{}", pfx::pem("PRIVATE KEY", self.key_der()), self.certificate_pem())
    }

    /// SHA-256 of the certificate, by which an assertion names it.
    pub fn thumbprint(&self) -> [u8; 32] {
        Sha256::digest(&self.certificate).into()
    }
}

fn application_key() -> Outcome<KeyPair> {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
        .context("make the application's key")
}

fn params(name: &str) -> Outcome<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new()).context("describe a certificate")?;
    params.distinguished_name.push(DnType::CommonName, name);
    let now = OffsetDateTime::from(Clock::default().now());
    params.not_before = now - BACKDATED;
    params.not_after = now + LIFETIME;
    Ok(params)
}
