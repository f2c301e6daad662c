//! The process: arguments, settings, logs, trust, signals, exit status.
#![expect(clippy::disallowed_methods, reason = "main owns the environment and the clock")]

#[path = "main/arguments.rs"]
mod arguments;
#[path = "main/health.rs"]
mod health;
#[path = "main/listen.rs"]
mod listen;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::{self, ExitCode},
    thread,
    time::{Duration, SystemTime},
};

use clap::Parser as _;
use contract::{Destinations, LogFormat, LogLevel, names};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sidecar::{Heartbeat, Trust};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
};
use tracing::error;

use crate::arguments::{Arguments, Command, Language, Output};

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        None => run(),
        Some(Command::Check { output, timeout }) => check(output, timeout),
        Some(Command::Native { output }) => native(output),
        Some(Command::Health) => return health(),
    };
    let code = done.unwrap_or_else(|trouble| {
        log(LogLevel::Info, LogFormat::Logfmt);
        error!("{trouble}");
        ExitCode::FAILURE
    });
    logs::flush();
    code
}

/// Serves until it is stopped.
fn run() -> io::Result<ExitCode> {
    let destinations = match sidecar::configuration(environment()) {
        Ok(destinations) => destinations,
        Err(errors) => {
            return Ok(misconfigured(errors.into_iter().chain(roots_without_settings())));
        }
    };
    let settings = destinations.sidecar();
    log(settings.log_level, settings.log_format);
    let roots = (settings.trusted_roots_file.as_deref(), settings.trusted_roots_dir.as_deref());
    let trust = match Trust::load(roots.0, roots.1) {
        Ok(trust) => trust,
        Err(trouble) => return Ok(misconfigured([trouble.to_string()])),
    };
    raise_file_limit();
    let runtime = runtime()?;
    let served = runtime.block_on(serve(destinations, &trust));
    // A name that is still being looked up must not hold the process.
    runtime.shutdown_background();
    served
}

/// Raises the soft limit of open files to the hard one, as other servers do at their
/// start. The usual 1024 is kept low for programs that use `select`, and would be used up
/// by `MAX_CONNECTIONS` alone: then no one, Prometheus neither, is accepted.
fn raise_file_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // With fewer it works as well, up to there.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// What is wrong with the trusted roots, to be reported with all other errors.
fn roots_without_settings() -> Option<String> {
    let path = |name| variable(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let (file, dir) = (path(names::env::SSL_CERT_FILE), path(names::env::SSL_CERT_DIR));
    Trust::load(file.as_deref(), dir.as_deref()).err().map(|trouble| trouble.to_string())
}

/// How often the event loop shows that it runs, and how often that is looked at. After 30
/// checks without a heartbeat the process exits.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Starts the thread that exits the process when the event loop is blocked.
fn watch(heartbeat: Heartbeat) -> io::Result<()> {
    let watch = move || {
        heartbeat.watch(HEARTBEAT);
        // The loop may hold what a log line needs: that must not keep us.
        thread::spawn(|| error!("the event loop was blocked for 30 s: exiting"));
        thread::sleep(HEARTBEAT);
        process::abort();
    };
    thread::Builder::new().name("watchdog".to_owned()).spawn(watch).map(drop)
}

async fn serve(destinations: Destinations, trust: &Trust) -> io::Result<ExitCode> {
    let listener = listen::listen(destinations.sidecar().listening_port.get())?;
    let heartbeat = Heartbeat::default();
    watch(heartbeat.clone())?;
    let mut terminate = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut again = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let first = async move {
        tokio::select! { _ = terminate.0.recv() => {}, _ = terminate.1.recv() => {} }
    };
    let second = async move {
        for _ in 0..2 {
            tokio::select! { _ = again.0.recv() => {}, _ = again.1.recv() => {} }
        }
    };
    tokio::select! {
        () = sidecar::run(destinations, trust, listener, SystemTime::now, first) => {}
        never = heartbeat.beat(HEARTBEAT) => match never {},
        () = second => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the report.
fn check(output: Output, timeout: Duration) -> io::Result<ExitCode> {
    let runtime = runtime()?;
    let report = runtime.block_on(sidecar::check(environment(), timeout, SystemTime::now));
    // A name that is still being looked up must not hold the process.
    runtime.shutdown_background();
    say(&match output {
        Output::Text => report.text(),
        Output::Json => report.json(),
    })?;
    Ok(ExitCode::from(report.exit_status()))
}

/// Reports whether the sidecar in this pod is alive.
fn health() -> ExitCode {
    match health::health(variable(names::env::LISTENING_PORT).as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // Plain text: it becomes part of the probe's event.
            let _ = writeln!(io::stderr(), "{reason}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what Prometheus' own configuration would be.
fn native(output: Language) -> io::Result<ExitCode> {
    let language = match output {
        Language::Yaml => sidecar::Language::Prometheus,
        Language::Operator => sidecar::Language::Operator,
    };
    match sidecar::configuration(environment()) {
        Ok(destinations) => {
            say(&sidecar::native(&destinations, language)).map(|()| ExitCode::SUCCESS)
        }
        Err(errors) => Ok(misconfigured(errors)),
    }
}

/// All variables, because some name a destination.
fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// One thread: a request costs a tenth of a millisecond, and a second thread
/// would cost more than it gives.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Writes a result to standard output.
fn say(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// Starts logging, unless it was started before. Without a thread for it there is no log,
/// and the reason cannot be logged.
fn log(level: LogLevel, format: LogFormat) {
    let _ = logs::start(&["sidecar", "prom_remotewrite"], level, format);
}

/// Logs every error, in the format of all other lines.
fn misconfigured(errors: impl IntoIterator<Item = String>) -> ExitCode {
    log(LogLevel::Info, LogFormat::Logfmt);
    for error in errors {
        error!("bad configuration: {error}");
    }
    ExitCode::from(names::EXIT_CONFIGURATION)
}
