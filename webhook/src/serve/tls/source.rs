//! A value that is made from files, and recreated when their content changes.
//!
//! The kubelet swaps a symbolic link when a Secret or a `ConfigMap` changes, which a
//! watch on the files would miss; so the content is read and compared. An invalid one
//! leaves the old value in use.

use std::{
    fmt, fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwapOption;

use super::TlsError;

/// The result of reading the files.
#[derive(Debug)]
pub enum Reload {
    /// The content in use, or the one rejected last.
    Unchanged,
    /// Another content, now in use.
    Taken,
    /// Another content, refused.
    Refused(TlsError),
}

/// `N` files, what was read last, and the value in use.
pub(super) struct WatchedFiles<T, const N: usize> {
    paths: [PathBuf; N],
    current: ArcSwapOption<T>,
    seen: Mutex<Option<[Vec<u8>; N]>>,
}

impl<T, const N: usize> WatchedFiles<T, N> {
    /// Nothing is in use yet.
    pub(super) fn new(paths: [PathBuf; N]) -> Self {
        Self { paths, current: ArcSwapOption::empty(), seen: Mutex::default() }
    }

    /// Where it comes from.
    pub(super) fn paths(&self) -> &[PathBuf; N] {
        &self.paths
    }

    /// The value in use.
    pub(super) fn current(&self) -> Option<Arc<T>> {
        self.current.load_full()
    }

    /// Looks at the files. Blocks for small reads.
    pub(super) fn reload(&self, make: impl FnOnce(&[Vec<u8>; N]) -> Result<T, TlsError>) -> Reload {
        let files = match self.read() {
            Ok(files) => files,
            Err(error) => return Reload::Refused(error),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // With nothing in use the same files are retried: a clock that was wrong makes a
        // good certificate look expired.
        if seen.as_ref() == Some(&files) && self.current.load().is_some() {
            return Reload::Unchanged;
        }
        let result = make(&files);
        *seen = Some(files);
        match result {
            Ok(value) => {
                self.current.store(Some(Arc::new(value)));
                Reload::Taken
            }
            Err(error) => Reload::Refused(error),
        }
    }

    fn read(&self) -> Result<[Vec<u8>; N], TlsError> {
        let mut files = [const { Vec::new() }; N];
        for (file, path) in files.iter_mut().zip(&self.paths) {
            *file =
                fs::read(path).map_err(|source| TlsError::Read { path: path.clone(), source })?;
        }
        Ok(files)
    }
}

/// Shows where from, never what.
impl<T, const N: usize> fmt::Debug for WatchedFiles<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("paths", &self.paths).finish_non_exhaustive()
    }
}
