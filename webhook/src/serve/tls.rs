//! TLS: the serving certificate, a directory with `tls.crt` and `tls.key` as in a mounted
//! Secret, and, if only some clients may connect, the CAs of these clients.
//!
//! Both are polled. Invalid files leave the previous ones in use; without previous ones,
//! nothing is served until there are valid ones. A Secret may be damaged for a moment, and
//! a program that exits because of it would start again only after the kubelet's growing
//! pauses.

mod clients;
mod pair;
mod source;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rustls::{ServerConfig, crypto::CryptoProvider, server::NoServerSessionStorage};

use clients::Clients;
pub(crate) use pair::{CHAIN_FILE, KEY_FILE};
use pair::{Certificates, pem};
pub use source::Reload;
pub use watch::Watch;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or unreadable.
    #[error("read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The chain is not PEM, or empty.
    #[error("read the certificates in {CHAIN_FILE}: expected PEM, the leaf first")]
    Chain,
    /// The key is no PEM of a form we know.
    #[error("read the private key in {KEY_FILE}: expected PEM (PKCS#8, PKCS#1 or SEC1)")]
    Key,
    /// Key and leaf do not belong together, or the key cannot sign.
    #[error("use the private key with its certificate")]
    Pair(#[source] rustls::Error),
    /// The leaf's dates cannot be read.
    #[error("read the leaf certificate in {CHAIN_FILE}")]
    Leaf,
    /// The certificate has expired.
    #[error("use a certificate that expired at {0} (seconds since 1970)")]
    Expired(i64),
    /// The file with the clients' authorities cannot be used.
    #[error("read the client authorities in {}: expected PEM certificates", .0.display())]
    ClientAuthorities(PathBuf),
}

/// All files of TLS.
#[derive(Debug)]
pub struct Tls {
    provider: Arc<CryptoProvider>,
    certificates: Arc<Certificates>,
    clients: Option<Arc<Clients>>,
}

impl Tls {
    /// Nothing is read yet. With a `client_ca`, only clients with a certificate of
    /// its authorities are served.
    pub fn new(directory: &Path, client_ca: Option<&Path>, provider: Arc<CryptoProvider>) -> Self {
        let clients = client_ca.map(|path| Arc::new(Clients::new(path, provider.clone())));
        let certificates = Arc::new(Certificates::new(directory, provider.clone()));
        Self { provider, certificates, clients }
    }

    /// Looks at the certificate and the client CA, at the time `now`. Blocks for
    /// small reads.
    pub fn reload(&self, now: SystemTime) -> [Reload; 2] {
        let clients = self.clients.as_ref().map(|clients| clients.reload());
        [self.certificates.reload(now), clients.unwrap_or(Reload::Unchanged)]
    }

    /// The chain in use, leaf first, in PEM; `None` while none is in use.
    pub(super) fn chain(&self) -> Option<String> {
        let key = self.certificates.in_use()?;
        Some(key.cert.iter().map(|certificate| pem(certificate)).collect())
    }

    /// Whether clients must have a certificate.
    pub(super) const fn has_client_ca(&self) -> bool {
        self.clients.is_some()
    }

    /// Whether a client CA is in use, or none is needed.
    fn is_client_ca_usable(&self) -> bool {
        self.clients.as_ref().is_none_or(|clients| clients.are_known())
    }

    /// TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1, always with the files in use.
    ///
    /// # Errors
    /// Where the provider lacks what these versions need.
    pub fn server_config(&self) -> Result<ServerConfig, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        let builder = match self.clients.clone() {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(clients),
        };
        let mut config = builder.with_cert_resolver(self.certificates.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if self.clients.is_some() {
            // A resumed session would not be held against a client CA that has changed.
            config.session_storage = Arc::new(NoServerSessionStorage {});
        }
        Ok(config)
    }
}
