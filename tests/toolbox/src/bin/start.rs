//! `cargo demo`: compiles the demo's programs and Prometheus at the same time, and becomes
//! the demo.
//!
//! It is done here, in a crate with hardly any dependencies, because the demo itself takes minutes
//! to compile.

#![expect(clippy::print_stderr, reason = "it only starts another program")]

use std::{
    env,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use toolbox::{
    PROMETHEUS, environment,
    failure::{Context, Failure, Outcome},
    find_showing, overwrite, warden,
};

/// What the demo runs, itself first.
const PROGRAMS: [&str; 4] =
    ["demo", "prom-remotewrite", "prom-remotewrite-webhook", "prom-remotewrite-certs"];

/// What is said before the first build.
const FIRST: &str = "\
The demo sends a Prometheus pod through the webhook, and a real Prometheus writes through
the injected sidecar to a mock of Azure. First it is compiled, and Prometheus at the same
time: minutes, once.";

fn main() -> ExitCode {
    let failure = match start() {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    eprintln!("failed: {failure}");
    ExitCode::FAILURE
}

/// The demo in place of this program, with its arguments; or why not.
fn start() -> Outcome<std::convert::Infallible> {
    let own = env::current_exe().context("find out where this program lies")?;
    let profile = own.parent().context("find out where this program lies")?.to_owned();
    let target = profile.parent().context("find the target directory")?.to_owned();
    if !profile.join("demo").exists() {
        eprintln!("{FIRST}");
    }
    build(&target)?;
    let error = Command::new(profile.join("demo")).args(env::args_os().skip(1)).exec();
    Err(error).context("start the demo")
}

/// Both builds; the first that fails ends this program, and with it the other.
fn build(target: &Path) -> Outcome<()> {
    let (target, compiled) = (target.to_owned(), Arc::new(AtomicBool::new(false)));
    let (done, results) = mpsc::channel();
    let (also_done, cargo_is_done) = (done.clone(), Arc::clone(&compiled));
    thread::spawn(move || {
        // Until cargo is done, the last line of a terminal is its own.
        let progress = |text: &str| {
            if compiled.load(Ordering::Relaxed) {
                overwrite(text);
            }
        };
        let prometheus = find_showing(&PROMETHEUS, "prometheus", &progress);
        // Nobody listens after a failure of the other.
        let _ = also_done.send(prometheus.map(drop));
    });
    thread::spawn(move || {
        let programs = cargo(&target);
        cargo_is_done.store(true, Ordering::Relaxed);
        let _ = done.send(programs);
    });
    results.iter().collect()
}

fn cargo(target: &Path) -> Outcome<()> {
    let cargo = environment::variable("CARGO").unwrap_or_else(|| "cargo".to_owned());
    let mut command = Command::new(cargo);
    // Of the whole workspace, for its features, which tests are built with as well.
    command.args(["build", "--workspace", "--target-dir"]).arg(target);
    command.args(PROGRAMS.iter().flat_map(|name| ["--bin", name]));
    if !std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        command.arg("--quiet");
    }
    let mut child = warden::spawn(&mut command).context("run cargo")?;
    let status = child.wait().context("wait for cargo")?;
    warden::forget(child.id());
    if status.success() {
        return Ok(());
    }
    Err(Failure::new("cargo could not build the demo"))
}
