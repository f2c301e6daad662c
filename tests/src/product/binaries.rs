//! The workspace's own programs, each built once in a run, in the profile that the
//! caller itself was built in.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
};

use serde::Deserialize;

use crate::{
    failure::{Context, Failure, Outcome},
    locked,
    machine::environment,
    product::architecture::Architecture,
    warden,
};

/// The sidecar.
pub const SIDECAR: &str = "prom-remotewrite";
/// The webhook.
pub const WEBHOOK: &str = "prom-remotewrite-webhook";
/// What people run: `kubectl prom-remotewrite`.
pub const CLI: &str = "kubectl-prom_remotewrite";
/// What keeps the webhook's certificate valid.
pub const CERTS: &str = "prom-remotewrite-certs";
/// The stand-in for Azure.
pub const AZURE: &str = "azure";
/// The main job on real input.
pub const DEMO: &str = "demo";

/// A line of Cargo's report, as far as it is of interest.
#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Where a program of the workspace is, after it was built: the product's own for the
/// architecture that [`ARCHITECTURE`](crate::product::architecture::VARIABLE) names, as scripts that emulate it.
pub fn find(name: &str) -> Outcome<PathBuf> {
    find_for(name, Architecture::chosen()?)
}

/// The same, the product's own for `architecture`.
pub fn find_for(name: &str, architecture: Architecture) -> Outcome<PathBuf> {
    static BUILT: Mutex<BTreeMap<(String, Architecture), PathBuf>> = Mutex::new(BTreeMap::new());
    let architecture = match name {
        SIDECAR | WEBHOOK | CERTS => architecture,
        _ => Architecture::HERE,
    };
    let key = (name.to_owned(), architecture);
    let mut built = locked(&BUILT);
    if let Some(file) = built.get(&key) {
        return Ok(file.clone());
    }
    let BuildDirectory { profile, target } = BuildDirectory::find()?;
    // Of the whole workspace, for its features: a package's own would build all libraries
    // a second time. Of it this program only: the demo waits for no other.
    let what = ["build", "--workspace", "--bin", name, &format!("--profile={profile}")];
    let programs = cargo(&what, &target, architecture)?;
    let file = programs.get(name).context(format!("find the program {name} in the workspace"))?;
    let file = architecture.runnable(file)?;
    built.insert(key, file.clone());
    Ok(file)
}

/// A program as it is shipped, optimised: for figures that mean something.
/// [`SIDECAR`], [`WEBHOOK`] and [`CERTS`] are. Each is built by itself, so that it
/// has no feature of a dependency that only another needs.
pub fn find_optimised(name: &str) -> Outcome<PathBuf> {
    optimised(name, &["build"], Architecture::HERE)
}

/// The same for an image: with a list of the crates that are in it, which scanners
/// read, if `cargo-auditable` is installed to add it.
pub fn find_auditable(name: &str, architecture: Architecture) -> Outcome<PathBuf> {
    if environment::on_path("cargo-auditable").is_none() {
        let _closed = writeln!(
            io::stderr(),
            "{name}: without the list of its crates, since cargo-auditable is not installed"
        );
        return optimised(name, &["build"], architecture);
    }
    optimised(name, &["auditable", "build"], architecture)
}

fn optimised(name: &str, command: &[&str], architecture: Architecture) -> Outcome<PathBuf> {
    let BuildDirectory { target, .. } = BuildDirectory::find()?;
    let package = match name {
        WEBHOOK => "webhook",
        CERTS => "certs",
        _ => "sidecar",
    };
    let package = format!("--package={package}");
    let what = [package.as_str(), "--bins", "--profile=release", "--locked"];
    let built = cargo(&[command, &what].concat(), &target, architecture)?;
    built.get(name).cloned().context(format!("find the optimised program {name}"))
}

/// Builds programs and returns their paths.
fn cargo(
    arguments: &[&str],
    target: &Path,
    architecture: Architecture,
) -> Outcome<BTreeMap<String, PathBuf>> {
    let cargo = environment::variable("CARGO").unwrap_or_else(|| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command
        .args(arguments)
        .arg("--message-format=json-render-diagnostics")
        .arg(format!("--target-dir={}", target.display()))
        .current_dir(environment::crate_folder())
        .stderr(Stdio::inherit());
    architecture.build_with(&mut command)?;
    // A first build takes minutes, and anyone who waits should see why; a log need not
    // hold a line for each crate.
    if !io::stderr().is_terminal() {
        command.arg("--quiet");
    }
    let child = warden::spawn(command.stdout(Stdio::piped())).context("run cargo")?;
    let id = child.id();
    let output = child.wait_with_output().context("wait for cargo")?;
    warden::forget(id);
    if !output.status.success() {
        return Err(Failure::new("cargo could not build the workspace's programs"));
    }
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let messages = messages.filter_map(|line| serde_json::from_slice::<Message>(line).ok());
    Ok(messages.filter_map(|message| Some((message.target?.name, message.executable?))).collect())
}

/// Profile and target directory, from where this program itself lies:
/// `TARGET/PROFILE/demo` or `TARGET/PROFILE/deps/it-HASH`.
struct BuildDirectory {
    profile: String,
    target: PathBuf,
}

impl BuildDirectory {
    fn find() -> Outcome<Self> {
        let file = std::env::current_exe().context("find out where this program lies")?;
        let folder = file.parent().context("find out where this program lies")?;
        let folder = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
        let folder = folder.context("find out where this program lies")?;
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let target = folder.parent().context("find the target directory")?;
        Ok(Self { profile: profile.to_owned(), target: target.to_owned() })
    }
}
