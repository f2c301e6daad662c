//! Volumes whose files change all at once.
//!
//! The kubelet and the CSI driver write a volume's files into a folder with a
//! date in its name, point the link `..data` there by a rename, and have each
//! file be a link through `..data`: a reader sees all old files or all new
//! ones, and one that watches a file itself sees nothing change.
//!
//! `pkg/volume/util/atomic_writer.go` in <https://github.com/kubernetes/kubernetes>

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::Files;
use crate::failure::{Context, Outcome};

/// The link through which every file is reached.
const DATA: &str = "..data";

/// A volume's folder.
#[derive(Debug)]
pub struct AtomicFolder {
    path: PathBuf,
    writes: AtomicU64,
}

impl AtomicFolder {
    /// An empty one at `path`.
    pub fn new(path: &Path) -> Outcome<Self> {
        fs::create_dir(path).context(format!("make the volume {}", path.display()))?;
        Ok(Self { path: path.to_owned(), writes: AtomicU64::new(0) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces every file at once.
    pub fn write(&self, files: &Files) -> Outcome<()> {
        self.swap(files).context(format!("write the volume {}", self.path.display()))
    }

    fn swap(&self, files: &Files) -> io::Result<()> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        let old = fs::read_link(self.path.join(DATA)).ok();
        let dated = format!("..2026_01_01_00_00_00.{number}");
        fs::create_dir(self.path.join(&dated))?;
        for (name, content) in files {
            let file = self.path.join(&dated).join(name);
            fs::create_dir_all(file.parent().unwrap_or(&self.path))?;
            fs::write(file, content)?;
        }
        let link = self.path.join("..data_tmp");
        symlink(&dated, &link)?;
        fs::rename(&link, self.path.join(DATA))?;
        for name in files.keys() {
            let top = name.split('/').next().unwrap_or(name);
            let link = self.path.join(top);
            if fs::symlink_metadata(&link).is_err() {
                symlink(Path::new(DATA).join(top), link)?;
            }
        }
        old.map_or(Ok(()), |old| fs::remove_dir_all(self.path.join(old)))
    }
}
