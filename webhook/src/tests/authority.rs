//! Certificates for tests, and the mounted Secret that holds one.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{CertificateParams, CertifiedIssuer, DnType, KeyPair};
use rustls::{RootCertStore, crypto::aws_lc_rs};
use tempfile::TempDir;

use crate::serve::tls::{CHAIN_FILE, KEY_FILE, Reload, Tls};

pub(crate) const NAME: &str = "webhook.monitoring.svc";
/// Some day in 2026, in seconds since 1970.
pub(crate) const NOW: u64 = 1_795_000_000;

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

/// An authority and what it issues.
pub(crate) struct Authority(pub(crate) CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Certificate and key, valid until `days` after [`NOW`].
    pub(crate) fn issue(&self, common_name: &str, days: i64) -> (String, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (self.certify(common_name, days, &key), key)
    }

    /// A certificate for `key`.
    pub(crate) fn certify(&self, common_name: &str, days: i64, key: &KeyPair) -> String {
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.not_before = (now() - Duration::from_hours(24 * 365)).into();
        let life = Duration::from_hours(24 * days.unsigned_abs());
        params.not_after = if days < 0 { now() - life } else { now() + life }.into();
        params.signed_by(key, &self.0).unwrap().pem()
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }
}

/// A mounted Secret: files are links through `..data`, which is swapped.
pub(crate) struct Mounted(TempDir, AtomicUsize);

impl Mounted {
    pub(crate) fn new(chain: &str, key: &str) -> Self {
        let mounted = Self(TempDir::new().unwrap(), AtomicUsize::new(0));
        mounted.put(chain, key);
        for file in [CHAIN_FILE, KEY_FILE] {
            symlink(format!("..data/{file}"), mounted.path().join(file)).unwrap();
        }
        mounted
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn put(&self, chain: &str, key: &str) {
        let version = format!("..{}", self.1.fetch_add(1, Ordering::Relaxed));
        let directory = self.path().join(&version);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join(CHAIN_FILE), chain).unwrap();
        fs::write(directory.join(KEY_FILE), key).unwrap();
        let link = self.path().join("..data_tmp");
        symlink(version, &link).unwrap();
        fs::rename(link, self.path().join("..data")).unwrap();
    }

    /// The files, read for the first time; with a `client_ca`, that too.
    pub(crate) fn load(&self, client_ca: Option<&Path>) -> Arc<Tls> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let tls = Tls::new(self.path(), client_ca, provider);
        for reload in tls.reload(now()) {
            assert!(!matches!(reload, Reload::Refused(_)), "{reload:?}");
        }
        Arc::new(tls)
    }
}
