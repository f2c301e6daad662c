//! A certificate's file, compared and read.
//!
//! The Secrets Store CSI driver swaps a link that the path goes through, which no
//! file notification tells: contents are compared. Reading and decrypting takes up
//! to seconds (key derivation), so all of it is done on a thread of its own.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;

use super::certificate::{Certificate, CertificateError, MAX_FILE_BYTES};

/// A certificate's file and what it held at the last look.
pub(super) struct CertificateFile {
    paths: Paths,
    seen: Option<Seen>,
}

/// Which files are read.
#[derive(Clone, Debug)]
struct Paths {
    certificate: PathBuf,
    password: Option<PathBuf>,
}

/// The fingerprint of what was read, or why nothing could be.
type Seen = Result<Fingerprint, String>;

/// SHA-256 of contents: to compare them, no key or password need stay in memory.
type Fingerprint = Vec<u8>;

/// Prints neither key nor password.
impl fmt::Debug for CertificateFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateFile").field("paths", &self.paths).finish_non_exhaustive()
    }
}

impl CertificateFile {
    /// The file is first looked at by [`Self::look`].
    pub(super) fn new(settings: &contract::Certificate) -> Self {
        let paths =
            Paths { certificate: settings.path.clone(), password: settings.password_file.clone() };
        Self { paths, seen: None }
    }

    /// Looks at the file: `None` if it is as at the last look, else its
    /// certificate, or in words why it cannot be used.
    pub(super) async fn look(&mut self) -> Option<Result<Certificate, String>> {
        let (paths, before) = (self.paths.clone(), self.seen.take());
        let looked = tokio::task::spawn_blocking(move || look(&paths, before.as_ref())).await;
        let (seen, news) = looked.unwrap_or_else(|error| {
            let trouble = format!("cannot read the certificate's file: {error}");
            (Err(trouble.clone()), Some(Err(trouble)))
        });
        self.seen = Some(seen);
        news
    }
}

fn look(paths: &Paths, before: Option<&Seen>) -> (Seen, Option<Result<Certificate, String>>) {
    let read = read(paths);
    let seen = read.as_ref().map(Contents::fingerprint).map_err(Clone::clone);
    if before == Some(&seen) {
        return (seen, None);
    }
    let news = read.and_then(|files| {
        load(&files).map_err(|error| format!("{}: {error}", paths.certificate.display()))
    });
    (seen, Some(news))
}

/// The content of all files concerned.
struct Contents {
    certificate: Vec<u8>,
    key: Option<Vec<u8>>,
    password: String,
}

impl Contents {
    fn fingerprint(&self) -> Fingerprint {
        let key = self.key.as_deref().unwrap_or_default();
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [self.certificate.as_slice(), key, self.password.as_bytes()] {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        context.finish().as_ref().to_vec()
    }
}

fn read(paths: &Paths) -> Result<Contents, String> {
    let certificate = read_file(&paths.certificate)?;
    let password = match &paths.password {
        None => String::new(),
        // Editors and `kubectl create secret` leave a line's end behind.
        Some(path) => {
            String::from_utf8_lossy(&read_file(path)?).trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    // A kubernetes.io/tls Secret has its key in a file of its own.
    let key = match paths.certificate.extension() {
        Some(extension) if extension == "crt" => {
            read_file(&paths.certificate.with_extension("key")).ok()
        }
        _ => None,
    };
    Ok(Contents { certificate, key, password })
}

fn load(files: &Contents) -> Result<Certificate, CertificateError> {
    match (Certificate::from_bytes(&files.certificate, &files.password), &files.key) {
        (Err(CertificateError::NoPrivateKey), Some(key)) => {
            let both = [files.certificate.as_slice(), b"\n", key].concat();
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
