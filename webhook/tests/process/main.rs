//! The program as a process: exit statuses, files that change, signals.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod bodies;
mod certificates;
mod connections;
mod log;
mod serve;

use std::{
    fs,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_prom-remotewrite-webhook");
const CONFIG: &str = include_str!("../../testdata/config.yaml");
/// A loaded machine may take its time; an endless loop must not.
const PATIENCE: Duration = Duration::from_secs(20);

fn directory(config: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("config.yaml"), config).unwrap();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(directory.path().join("tls.crt"), cert.pem()).unwrap();
    fs::write(directory.path().join("tls.key"), signing_key.serialize_pem()).unwrap();
    directory
}

/// What takes all of the machine runs by itself: two floods at once would measure each
/// other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
