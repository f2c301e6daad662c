//! Sources of modules that tools are built from: they hold manifests as well.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use serde::Deserialize;

use crate::{
    failure::{Context, Failure, Outcome},
    machine::environment,
};

#[derive(Deserialize)]
struct Module {
    #[serde(rename = "Dir")]
    folder: PathBuf,
}

/// The folder of the module `path`, of the version that `tests/tools/FOLDER`
/// pins: downloaded if need be, and checked by Go.
pub fn source(folder: &str, path: &str) -> Outcome<PathBuf> {
    let go = environment::on_path("go").ok_or_else(|| {
        Failure::new(format!("{path} takes Go to be fetched: install Go 1.26 (https://go.dev/dl)"))
    })?;
    let said = Command::new(go)
        .args(["mod", "download", "-json", path])
        .current_dir(environment::crate_folder().join("tools").join(folder))
        .stdin(Stdio::null())
        .output()
        .context("run go")?;
    let what = || format!("fetch {path}: {}", String::from_utf8_lossy(&said.stdout).trim());
    if !said.status.success() {
        return Err(Failure::new(String::from_utf8_lossy(&said.stderr).trim())).context(what());
    }
    Ok(serde_json::from_slice::<Module>(&said.stdout).context(what())?.folder)
}
