//! Certificates in a directory, named as Kubernetes names them in a Secret.
//!
//! Each file appears whole or not at all. The three are not replaced in one
//! step; a reader that reloads checks that key and certificate belong together,
//! as the webhook does, and waits for the rest.

use std::{
    fs::{self, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::pair::Pem;

/// The CA's certificate.
pub const CA_FILE: &str = "ca.crt";
/// The serving certificate.
pub const CERTIFICATE_FILE: &str = "tls.crt";
/// The private key.
pub const KEY_FILE: &str = "tls.key";

/// Why the files were not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Files of an earlier run exist.
    #[error("will not replace {}: give --force to do so", list(.0))]
    Exists(Vec<PathBuf>),
    /// The directory cannot be made.
    #[error("cannot create the directory {}", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// Whether files of an earlier run may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// They stay, and nothing is written.
    Keep,
    /// They are replaced.
    Replace,
}

/// Writes `pem` into `directory`, which is made if needed, and returns the
/// files. The key is readable by its owner alone.
pub fn write(pem: &Pem, directory: &Path, existing: Existing) -> Result<Vec<PathBuf>, Error> {
    // The certificate comes last: who waits for it finds its key.
    let files = [
        (CA_FILE, pem.ca.as_str(), 0o644),
        (KEY_FILE, pem.key.as_str(), 0o600),
        (CERTIFICATE_FILE, pem.certificate.as_str(), 0o644),
    ];
    let paths: Vec<PathBuf> = files.iter().map(|(name, ..)| directory.join(name)).collect();
    if existing == Existing::Keep {
        refuse_existing(&paths)?;
    }
    fs::create_dir_all(directory)
        .map_err(|source| Error::Directory { path: directory.to_owned(), source })?;
    for (path, (_, text, mode)) in paths.iter().zip(files) {
        write_file(path, directory, text, mode, existing)
            .map_err(|source| Error::File { path: path.clone(), source })?;
    }
    Ok(paths)
}

fn refuse_existing(paths: &[PathBuf]) -> Result<(), Error> {
    // A dangling link exists, too: it would be followed or replaced.
    let existing: Vec<PathBuf> =
        paths.iter().filter(|path| path.symlink_metadata().is_ok()).cloned().collect();
    if existing.is_empty() { Ok(()) } else { Err(Error::Exists(existing)) }
}

fn write_file(
    path: &Path,
    directory: &Path,
    text: &str,
    mode: u32,
    existing: Existing,
) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(".certs-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    match existing {
        Existing::Keep => file.persist_noclobber(path)?,
        Existing::Replace => file.persist(path)?,
    };
    Ok(())
}

fn list(paths: &[PathBuf]) -> String {
    let texts: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    texts.join(", ")
}
