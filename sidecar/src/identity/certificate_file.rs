//! A certificate's file, followed through its renewals.
//!
//! A new certificate may be in the file before it is registered in Entra; so
//! the one that last brought a token is kept until the new one has brought one
//! too. The Secrets Store CSI driver swaps a link that the path goes through,
//! which no file notification tells: contents are compared.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest;

use super::certificate::{Certificate, CertificateError, MAX_FILE_BYTES};

/// What a look at the file brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Nothing new since the last look, be it good or bad.
    Unchanged,
    /// Another certificate, which the next fetch uses.
    Changed,
    /// Something new that cannot be used, in words; what there was stays.
    Failed(String),
}

/// A certificate file and what it held.
pub(super) struct CertificateFile {
    path: PathBuf,
    password_file: Option<PathBuf>,
    /// The fingerprint of what was read last, or why nothing could be.
    seen: Option<Result<Fingerprint, String>>,
    current: Option<Arc<Certificate>>,
    /// Whether the current certificate has brought a token.
    proven: bool,
    /// The last one that has, if it is another.
    previous: Option<Arc<Certificate>>,
    trouble: Option<String>,
}

/// The content of all files concerned.
struct Contents {
    content: Vec<u8>,
    key: Option<Vec<u8>>,
    password: String,
}

/// SHA-256 of contents: to compare them, no key or password need stay in memory.
type Fingerprint = Vec<u8>;

impl Contents {
    fn fingerprint(&self) -> Fingerprint {
        let key = self.key.as_deref().unwrap_or_default();
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [self.content.as_slice(), key, self.password.as_bytes()] {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        context.finish().as_ref().to_vec()
    }
}

/// Prints neither key nor password.
impl fmt::Debug for CertificateFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateFile")
            .field("path", &self.path)
            .field("current", &self.current)
            .field("previous", &self.previous)
            .field("trouble", &self.trouble)
            .finish_non_exhaustive()
    }
}

impl CertificateFile {
    /// The file is first looked at by [`Self::reload`].
    pub(super) fn new(settings: &contract::Certificate) -> Self {
        Self {
            path: settings.path.clone(),
            password_file: settings.password_file.clone(),
            seen: None,
            current: None,
            proven: false,
            previous: None,
            trouble: None,
        }
    }

    /// Looks at the file, and takes what is new and good.
    pub(super) fn reload(&mut self) -> Reload {
        let read = self.read();
        let seen = Some(read.as_ref().map(Contents::fingerprint).map_err(Clone::clone));
        if self.seen == seen {
            return Reload::Unchanged;
        }
        self.seen = seen;
        let loaded = read.and_then(|files| {
            load(&files).map_err(|error| format!("{}: {error}", self.path.display()))
        });
        match loaded {
            Err(trouble) => {
                self.trouble = Some(trouble.clone());
                Reload::Failed(trouble)
            }
            Ok(certificate) => {
                self.trouble = None;
                self.take(certificate)
            }
        }
    }

    /// The certificate to sign with, or why there is none.
    pub(super) fn current(&self) -> Result<&Arc<Certificate>, &str> {
        let unread = "it has not been read yet";
        self.current.as_ref().ok_or_else(|| self.trouble.as_deref().unwrap_or(unread))
    }

    /// Why the file's present content is not what is used.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// The certificate that last brought a token, while the current one has not.
    pub(super) fn previous(&self) -> Option<&Arc<Certificate>> {
        self.previous.as_ref()
    }

    /// Notes that the current certificate has brought a token.
    pub(super) fn prove(&mut self) {
        self.proven = true;
        self.previous = None;
    }

    fn take(&mut self, certificate: Certificate) -> Reload {
        let same = self.current.as_ref().is_some_and(|old| old.leaf() == certificate.leaf());
        if self.proven && !same {
            self.previous = self.current.take();
            self.proven = false;
        }
        self.current = Some(Arc::new(certificate));
        if same { Reload::Unchanged } else { Reload::Changed }
    }

    fn read(&self) -> Result<Contents, String> {
        let content = read_file(&self.path)?;
        let password = match &self.password_file {
            None => String::new(),
            // Editors and `kubectl create secret` leave a line's end behind.
            Some(path) => {
                String::from_utf8_lossy(&read_file(path)?).trim_end_matches(['\r', '\n']).to_owned()
            }
        };
        // A kubernetes.io/tls Secret has its key in a file of its own.
        let key = match self.path.extension() {
            Some(extension) if extension == "crt" => {
                read_file(&self.path.with_extension("key")).ok()
            }
            _ => None,
        };
        Ok(Contents { content, key, password })
    }
}

fn load(files: &Contents) -> Result<Certificate, CertificateError> {
    match (Certificate::from_bytes(&files.content, &files.password), &files.key) {
        (Err(CertificateError::NoPrivateKey), Some(key)) => {
            let both = [files.content.as_slice(), b"\n", key].concat();
            Certificate::from_bytes(&both, &files.password)
        }
        (loaded, _) => loaded,
    }
}

/// A file's bytes. What is no regular file is not opened: a pipe would never
/// end.
fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |why: &dyn fmt::Display| format!("cannot read {}: {why}", path.display());
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => cannot(&format!("{error}{}", neighbours(path))),
        _ => cannot(&error),
    })?;
    if metadata.is_dir() {
        return Err(cannot(&"it is a directory: name the certificate's file in it"));
    }
    if !metadata.is_file() {
        return Err(cannot(&"it is not a file"));
    }
    if metadata.len() > MAX_FILE_BYTES as u64 {
        let length = metadata.len();
        return Err(cannot(&format!(
            "it has {length} bytes, and a certificate's file at most {MAX_FILE_BYTES}"
        )));
    }
    fs::read(path).map_err(|error| cannot(&error))
}

/// What there is instead of a missing file: the object's name in Key Vault and
/// the file's name in the pod are easily mixed up.
fn neighbours(path: &Path) -> String {
    /// More do not help.
    const SHOWN: usize = 5;
    let Some(entries) = path.parent().and_then(|folder| fs::read_dir(folder).ok()) else {
        return String::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    // Names that begin with two dots are the mount's own.
    let mut names: Vec<String> = names.filter(|name| !name.starts_with("..")).collect();
    names.sort();
    names.truncate(SHOWN);
    match names.as_slice() {
        [] => "; its directory is empty".to_owned(),
        names => format!("; its directory has {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests;
