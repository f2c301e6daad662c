//! Temporary folders, removed however the run ends.

use tempfile::TempDir;

use crate::{
    failure::{Context, Outcome},
    warden,
};

/// A folder for `what`, which goes when it is dropped, or with this process.
pub fn temporary(what: &str) -> Outcome<TempDir> {
    let folder = tempfile::tempdir().context(format!("make a folder for {what}"))?;
    warden::sweep(folder.path());
    Ok(folder)
}
