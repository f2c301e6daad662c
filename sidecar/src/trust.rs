//! The roots that TLS connections are verified with. They are read again when
//! their files change.
//!
//! There is no way to switch verification off.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use contract::names::env;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{
        CertificateDer,
        pem::{self, PemObject},
    },
};
use rustls_native_certs::{ErrorKind, load_certs_from_paths};
use thiserror::Error;
use tokio::{task::spawn_blocking, time::sleep};
use tracing::{info, warn};

use crate::metrics::Exposition;

/// Files are compared this often: a rotation is announced hours before.
const INTERVAL: Duration = Duration::from_secs(5);
/// Files that have just changed may be half written, so they are read again after
/// this long.
const SETTLE: Duration = Duration::from_millis(500);

/// The trusted roots. Clones share them, also those that are read later.
#[derive(Clone, Debug)]
pub struct Trust(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    file: Option<PathBuf>,
    dir: Option<PathBuf>,
    /// Where they come from, for messages.
    place: String,
    in_use: RwLock<InUse>,
    /// Counts the replacements of what is in use.
    generation: AtomicU64,
}

#[derive(Debug)]
struct InUse {
    client: Arc<ClientConfig>,
    roots: usize,
    /// What could not be read beside them.
    errors: Vec<String>,
    fingerprint: u64,
}

/// Why no roots could be loaded.
#[derive(Debug, Error)]
pub enum TrustError {
    /// Neither the given place nor the system has a single usable root.
    #[error("find trusted roots in {place}: {reason}")]
    NoRoots {
        /// Where they were looked for.
        place: String,
        /// What was found there.
        reason: String,
    },
    /// The provider offers no protocol version; cannot happen with aws-lc-rs.
    #[error("set TLS up")]
    Protocol(#[source] rustls::Error),
}

impl Trust {
    /// Loads the roots from `file` and `dir` (as OpenSSL's `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR`, which replace the system's), else the system's.
    pub fn load(file: Option<&Path>, dir: Option<&Path>) -> Result<Self, TrustError> {
        let place = place(file, dir);
        let in_use = Found::read(file, dir).usable(&place)?;
        Ok(Self::of(in_use, file, dir, place))
    }

    /// Trusts the certificates in `pem`, which is from `place`, and nothing else.
    pub(crate) fn in_pem(pem: &[u8], place: String) -> Result<Self, TrustError> {
        let (mut certificates, mut errors) = (Vec::new(), Vec::new());
        for certificate in CertificateDer::pem_slice_iter(pem) {
            match certificate {
                Ok(certificate) => certificates.push(certificate),
                Err(error) => {
                    errors.push(damage(&error));
                    break;
                }
            }
        }
        let in_use = Found { certificates, errors }.usable(&place)?;
        Ok(Self::of(in_use, None, None, place))
    }

    /// Trusts these and nothing else.
    #[cfg(test)]
    pub(crate) fn in_certificates(certificates: Vec<CertificateDer<'static>>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates);
        let (roots, client) = (roots.len(), client(roots).unwrap());
        let in_use = InUse { client, roots, errors: Vec::new(), fingerprint: 0 };
        Self::of(in_use, None, None, place(None, None))
    }

    fn of(in_use: InUse, file: Option<&Path>, dir: Option<&Path>, place: String) -> Self {
        Self(Arc::new(Shared {
            file: file.map(Path::to_owned),
            dir: dir.map(Path::to_owned),
            place,
            in_use: RwLock::new(in_use),
            generation: AtomicU64::new(0),
        }))
    }

    /// For a connection that is opened now: HTTP/1.1 only.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        self.in_use(|in_use| Arc::clone(&in_use.client))
    }

    /// How many roots are trusted.
    pub(crate) fn roots(&self) -> usize {
        self.in_use(|in_use| in_use.roots)
    }

    /// What could not be read beside the roots in use: one sentence each.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.in_use(|in_use| in_use.errors.clone())
    }

    /// Differs before and after a change: what was verified before is not trusted
    /// any more.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Where the roots come from, for messages.
    pub(crate) fn place(&self) -> &str {
        &self.0.place
    }

    /// Takes changed roots into use for as long as it is polled. The system's
    /// change with the image only, so they are read once.
    pub(crate) async fn watch(&self, metrics: &Exposition) {
        metrics.trusted_roots(self.roots(), true);
        if self.0.file.is_none() && self.0.dir.is_none() {
            return std::future::pending().await;
        }
        let mut seen = self.in_use(|in_use| in_use.fingerprint);
        loop {
            sleep(INTERVAL).await;
            let Some(found) = self.changed(seen).await else { continue };
            seen = found.fingerprint();
            let replaced = self.replace(found);
            metrics.trusted_roots(self.roots(), replaced.is_ok());
            match replaced {
                Ok(()) => {
                    let roots = self.roots();
                    info!(
                        roots,
                        "the trusted roots have changed: new connections are verified with them"
                    );
                    self.warn_of_errors();
                }
                Err(error) => {
                    warn!("the trusted roots have changed but the old ones stay in use: {error}");
                }
            }
        }
    }

    /// Logs what could not be read beside the roots in use.
    pub(crate) fn warn_of_errors(&self) {
        for error in self.errors() {
            warn!("a trusted root cannot be used, the others are: {error}");
        }
    }

    /// What the files hold, if that differs from `seen` and is no longer written to.
    async fn changed(&self, seen: u64) -> Option<Found> {
        let first = self.read().await?.fingerprint();
        if first == seen {
            return None;
        }
        sleep(SETTLE).await;
        self.read().await.filter(|found| found.fingerprint() == first)
    }

    async fn read(&self) -> Option<Found> {
        let shared = Arc::clone(&self.0);
        let read = move || Found::read(shared.file.as_deref(), shared.dir.as_deref());
        spawn_blocking(read).await.ok()
    }

    fn replace(&self, found: Found) -> Result<(), TrustError> {
        let in_use = found.usable(self.place())?;
        *self.0.in_use.write().unwrap_or_else(PoisonError::into_inner) = in_use;
        self.0.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn in_use<T>(&self, look: impl FnOnce(&InUse) -> T) -> T {
        look(&self.0.in_use.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn place(file: Option<&Path>, dir: Option<&Path>) -> String {
    let variables = [(env::SSL_CERT_FILE, file), (env::SSL_CERT_DIR, dir)];
    let variables = variables.iter().filter_map(|(name, path)| Some((name, (*path)?.display())));
    let places: Vec<String> = variables.map(|(name, path)| format!("{name}={path}")).collect();
    if places.is_empty() {
        return "the system's certificate store".to_owned();
    }
    places.join(" and ")
}

/// What was read.
#[derive(Hash)]
struct Found {
    certificates: Vec<CertificateDer<'static>>,
    errors: Vec<String>,
}

impl Found {
    fn read(file: Option<&Path>, dir: Option<&Path>) -> Self {
        let found = if file.is_none() && dir.is_none() {
            rustls_native_certs::load_native_certs()
        } else {
            load_certs_from_paths(file, dir)
        };
        let text = |error: &rustls_native_certs::Error| match &error.kind {
            ErrorKind::Pem(inner) => format!("{}: {}", error.context, damage(inner)),
            _ => error.to_string(),
        };
        let errors = found.errors.iter().map(text).collect();
        Self { certificates: found.certs, errors }
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    fn usable(self, place: &str) -> Result<InUse, TrustError> {
        let fingerprint = self.fingerprint();
        let Self { certificates, mut errors } = self;
        let mut roots = RootCertStore::empty();
        let (added, ignored) = roots.add_parsable_certificates(certificates);
        if ignored > 0 {
            errors.push(format!("{ignored} in {place} cannot be parsed as a certificate"));
        }
        if added == 0 {
            let reason = match errors.as_slice() {
                [] => "there is no certificate in it".to_owned(),
                errors => errors.join(", "),
            };
            return Err(TrustError::NoRoots { place: place.to_owned(), reason });
        }
        let client = client(roots).map_err(TrustError::Protocol)?;
        Ok(InUse { client, roots: added, errors, fingerprint })
    }
}

/// What is wrong with PEM. The library's own texts contain lines of it, as numbers.
fn damage(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => {
            "a BEGIN line without its END line: the PEM is cut off or has lost its line breaks"
                .to_owned()
        }
        pem::Error::IllegalSectionStart { .. } => {
            "a malformed BEGIN line: the PEM has lost its line breaks".to_owned()
        }
        other => other.to_string(),
    }
}

fn client(roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(client))
}

#[cfg(test)]
mod tests;
