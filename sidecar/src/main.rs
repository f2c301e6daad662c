//! The process: settings, logs, trust, listener, signals, exit status.
#![expect(clippy::disallowed_methods, reason = "main owns the environment and the clock")]

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    time::SystemTime,
};

use clap::Parser;
use contract::{LogFormat, LogLevel, Settings, names};
use sidecar::TlsConfig;
use socket2::{Domain, Socket, Type};
use tokio::{
    net::TcpListener,
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};
use tracing::error;

/// Adds an Entra token to Prometheus' remote-write requests and posts them to
/// Azure Monitor. All settings come from the environment.
#[derive(Parser)]
#[command(name = "prom-remotewrite", version)]
struct Arguments {}

fn main() -> ExitCode {
    let Arguments {} = Arguments::parse();
    let settings = match Settings::from_env(|name| {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }) {
        Ok(settings) => settings,
        Err(mistakes) => return misconfigured(mistakes.iter().map(ToString::to_string)),
    };
    log(settings.log_level, settings.log_format);
    let roots = (settings.trusted_roots_file.as_deref(), settings.trusted_roots_dir.as_deref());
    let tls = match TlsConfig::load(roots.0, roots.1) {
        Ok(tls) => tls,
        Err(trouble) => return misconfigured([trouble.to_string()]),
    };
    // One thread: a request costs a tenth of a millisecond, and a second thread
    // would cost more than it gives.
    let served = Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(serve(settings, &tls)));
    match served {
        Ok(code) => code,
        Err(trouble) => {
            error!("cannot serve: {trouble}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(settings: Settings, tls: &TlsConfig) -> io::Result<ExitCode> {
    let listener = listen(settings.listening_port.get())?;
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
        run = sidecar::run(settings, tls, listener, SystemTime::now, first) => match run {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(trouble) => Ok(misconfigured([format!("{trouble}")])),
        },
        () = second => Ok(ExitCode::SUCCESS),
    }
}

/// On all addresses of both families, or of IPv4 where the machine has no IPv6.
fn listen(port: u16) -> io::Result<TcpListener> {
    bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))
        .or_else(|_| bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))))
        .map_err(|trouble| {
            io::Error::new(trouble.kind(), format!("listen on port {port}: {trouble}"))
        })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    // What may wait to be accepted: more than Prometheus opens at once.
    const BACKLOG: i32 = 1024;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Logs from now on, unless that was said before.
fn log(level: LogLevel, format: LogFormat) {
    let ours = ["sidecar", "prom_remotewrite"];
    let _ = tracing::subscriber::set_global_default(logs::subscriber(&ours, level, format));
}

/// Says every mistake, in the form in which everything else is logged.
fn misconfigured(mistakes: impl IntoIterator<Item = String>) -> ExitCode {
    log(LogLevel::Info, LogFormat::Logfmt);
    for mistake in mistakes {
        error!("bad configuration: {mistake}");
    }
    ExitCode::from(names::EXIT_CONFIGURATION)
}
