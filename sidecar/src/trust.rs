//! Whom the sidecar trusts: the roots of its TLS connections.
//!
//! There is no way to switch verification off.

use std::{path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_native_certs::load_certs_from_paths;
use thiserror::Error;

/// TLS for the two kinds of connections that the sidecar makes.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    upstream: Arc<ClientConfig>,
    identity: Arc<ClientConfig>,
    root_count: usize,
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

impl TlsConfig {
    /// Loads the roots from `file` and `dir` (as OpenSSL's `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR`, which replace the system's), else the system's.
    pub fn load(file: Option<&Path>, dir: Option<&Path>) -> Result<Self, TrustError> {
        let (place, found) = if file.is_none() && dir.is_none() {
            ("the system's certificate store".to_owned(), rustls_native_certs::load_native_certs())
        } else {
            let names: Vec<String> =
                [file, dir].into_iter().flatten().map(|path| path.display().to_string()).collect();
            (names.join(" and "), load_certs_from_paths(file, dir))
        };
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            let reason =
                if reasons.is_empty() { "nothing is there".to_owned() } else { reasons.join(", ") };
            return Err(TrustError::NoRoots { place, reason });
        }
        Self::new(roots).map_err(TrustError::Protocol)
    }

    fn new(roots: RootCertStore) -> Result<Self, rustls::Error> {
        let root_count = roots.len();
        let identity = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut upstream = identity.clone();
        upstream.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { upstream: Arc::new(upstream), identity: Arc::new(identity), root_count })
    }

    /// For the ingestion endpoint: HTTP/1.1 alone.
    pub(crate) fn upstream(&self) -> &Arc<ClientConfig> {
        &self.upstream
    }

    /// How many roots are trusted.
    pub(crate) const fn root_count(&self) -> usize {
        self.root_count
    }

    /// For the authority.
    pub(crate) fn identity(&self) -> &Arc<ClientConfig> {
        &self.identity
    }
}
