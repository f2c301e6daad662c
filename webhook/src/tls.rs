//! The serving certificate: a directory with `tls.crt` and `tls.key`, as a
//! mounted Secret has them, looked at again and again.
//!
//! The kubelet swaps a symbolic link when the Secret changes, which a watch on
//! the files would miss; so the content is read and compared. A pair that does
//! not fit, or can't be read, leaves the old one in use.

mod pair;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};

use crate::metrics::Metrics;
pub(crate) use pair::{CHAIN_FILE, KEY_FILE};
use pair::{Files, pair, read};

/// The kubelet itself looks for a changed Secret once a minute or so; a few
/// seconds more don't matter, and reading two small files costs nothing.
pub const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Why a certificate cannot be used.
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
    /// The leaf has ended.
    #[error("use a certificate that ended at {0} (seconds since 1970)")]
    Expired(i64),
    /// The protocol's parameters do not fit together.
    #[error("set up TLS")]
    Setup(#[source] rustls::Error),
    /// The file with the clients' authorities cannot be used.
    #[error("read the client authorities in {}: expected PEM certificates", .0.display())]
    ClientAuthorities(PathBuf),
}

/// The certificate in use, and the directory it comes from.
pub struct Certificates {
    directory: PathBuf,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
    seen: Mutex<Files>,
}

/// Shows where from, never what.
impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// What a look at the directory found.
#[derive(Debug)]
pub enum Reload {
    /// What is in use, or what was refused before.
    Unchanged,
    /// Another pair, now in use, which ends then (seconds since 1970).
    Taken(i64),
    /// Another pair, refused.
    Refused(TlsError),
}

impl Certificates {
    /// Reads the directory for the first time, at the time `now`; the second
    /// value is when the certificate ends, in seconds since 1970.
    ///
    /// # Errors
    /// Where there is no usable pair.
    pub fn load(
        directory: &Path,
        provider: Arc<CryptoProvider>,
        now: SystemTime,
    ) -> Result<(Arc<Self>, i64), TlsError> {
        let files = read(directory)?;
        let (pair, expiry) = pair(&files, &provider, now)?;
        let certificates = Self {
            directory: directory.to_owned(),
            provider,
            current: ArcSwap::from_pointee(pair),
            seen: Mutex::new(files),
        };
        Ok((Arc::new(certificates), expiry))
    }

    /// Looks again, at the time `now`. Blocks for two small reads.
    pub fn reload(&self, now: SystemTime) -> Reload {
        let files = match read(&self.directory) {
            Ok(files) => files,
            Err(error) => return Reload::Refused(error),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == files {
            return Reload::Unchanged;
        }
        let found = pair(&files, &self.provider, now);
        *seen = files;
        match found {
            Ok((pair, expiry)) => {
                self.current.store(Arc::new(pair));
                Reload::Taken(expiry)
            }
            Err(error) => Reload::Refused(error),
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1. With `client_authorities`, only
/// clients with a certificate of theirs are served.
///
/// # Errors
/// Where the authorities' file cannot be used.
pub fn server_config(
    certificates: Arc<Certificates>,
    client_authorities: Option<&Path>,
) -> Result<ServerConfig, TlsError> {
    let provider = certificates.provider.clone();
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsError::Setup)?;
    let builder = match client_authorities {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(authorities(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|_| TlsError::ClientAuthorities(path.to_owned()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn authorities(path: &Path) -> Result<rustls::RootCertStore, TlsError> {
    let source = |source| TlsError::Read { path: path.to_owned(), source };
    let pem = std::fs::read(path).map_err(source)?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        certificate
            .ok()
            .and_then(|certificate| roots.add(certificate).ok())
            .ok_or_else(|| TlsError::ClientAuthorities(path.to_owned()))?;
    }
    if roots.is_empty() { Err(TlsError::ClientAuthorities(path.to_owned())) } else { Ok(roots) }
}

/// Looks at the directory every [`POLL_INTERVAL`], for ever.
pub async fn watch(certificates: Arc<Certificates>, metrics: &Metrics, now: fn() -> SystemTime) {
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    let mut unreadable = false;
    loop {
        ticks.tick().await;
        let looked = certificates.clone();
        let Ok(reload) = tokio::task::spawn_blocking(move || looked.reload(now())).await else {
            continue;
        };
        report(&reload, metrics, &mut unreadable);
    }
}

/// A file that cannot be read is reported once, not every two seconds.
fn report(reload: &Reload, metrics: &Metrics, unreadable: &mut bool) {
    let was_unreadable = *unreadable;
    *unreadable = matches!(reload, Reload::Refused(TlsError::Read { .. }));
    match reload {
        Reload::Taken(expiry) => {
            metrics.certificate_reloaded(true);
            metrics.certificate_used(*expiry);
            tracing::info!(expiry, "took a new certificate");
        }
        Reload::Refused(error) if !(was_unreadable && *unreadable) => {
            metrics.certificate_reloaded(false);
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(%error, cause, "kept the old certificate");
        }
        Reload::Unchanged | Reload::Refused(_) => {}
    }
}
