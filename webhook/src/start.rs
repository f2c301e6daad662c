//! `serve`: from arguments to a running webhook and back to an exit status.

use std::{
    error::Error,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use contract::names::EXIT_CONFIGURATION;
use tokio::{
    net::{TcpListener, TcpSocket},
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use webhook::{
    VERSION,
    config::Config,
    metrics::Metrics,
    serve::{
        self, Phase,
        admin::{self, Readiness},
        bodies::Bodies,
        reload,
        routes::{self, Shared},
        tls::{self, Tls},
    },
};

use crate::arguments::Serve;

/// Connections that wait to be accepted: the most that Linux holds without a setting. One
/// more would be dropped, and its client retries only after a second.
const BACKLOG: u32 = 4096;

type Failure = Box<dyn Error + Send + Sync>;

/// Runs until a signal stops it.
pub(crate) fn serve(arguments: Serve) -> ExitCode {
    let ours = ["prom_remotewrite_webhook", "webhook"];
    if logs::start(&ours, arguments.log_level, arguments.log_format).is_err() {
        return ExitCode::FAILURE;
    }
    let code = configure_and_run(arguments);
    logs::flush();
    code
}

fn configure_and_run(arguments: Serve) -> ExitCode {
    let (text, config) = match read_config(&arguments.config) {
        Ok(read) => read,
        Err(problems) => {
            for problem in problems {
                tracing::error!(file = %arguments.config.display(), problem, "bad configuration");
            }
            return ExitCode::from(EXIT_CONFIGURATION);
        }
    };
    // One thread: a review takes a fraction of a millisecond, and to hand it to
    // another thread costs as much again.
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(run(arguments, text, config)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = error.source().map(ToString::to_string);
            tracing::error!(%error, cause, "could not start");
            ExitCode::FAILURE
        }
    }
}

fn read_config(path: &std::path::Path) -> Result<(String, Config), Vec<String>> {
    let text = std::fs::read_to_string(path).map_err(|error| vec![error.to_string()])?;
    let config = Config::parse(&text)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    Ok((text, config))
}

async fn run(arguments: Serve, text: String, config: Config) -> Result<(), Failure> {
    let (terminate, interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = Arc::new(Tls::new(&arguments.cert_dir, arguments.client_ca.as_deref(), provider));
    let server_config = Arc::new(tls.server_config()?);
    let shared = Arc::new(Shared {
        config: ArcSwap::from_pointee(config),
        config_hash: ArcSwap::from_pointee(reload::content_hash(&text)),
        bodies: Bodies::default(),
        metrics: Metrics::default(),
    });
    shared.metrics.config_used();
    shared.metrics.config_is_current(true);
    let listener = bind(arguments.listen)?;
    let port = listener.local_addr()?.port();
    let admin_listener = bind(arguments.admin)?;
    tracing::info!(
        address = %listener.local_addr()?,
        admin = %admin_listener.local_addr()?,
        version = VERSION,
        "listening"
    );
    let ready = Readiness::default();
    ready.set(true);
    let admin = admin::routes(shared.clone(), ready.clone(), tls.clone(), port);
    let files = tls::Watch::start(tls, shared.clone(), ready.clone(), SystemTime::now());
    let (phase, phases) = watch::channel(Phase::Serving);
    let serving = serve::serve(
        listener,
        server_config,
        routes::routes(shared.clone()),
        &shared.metrics,
        phases,
        arguments.shutdown_timeout,
    );
    tokio::select! {
        () = serving => {}
        () = serve::serve_admin(admin_listener, admin) => {}
        () = reload::watch(arguments.config, text, shared.clone()) => {}
        () = files.run(SystemTime::now) => {}
        () = signals(terminate, interrupt, &ready, arguments.shutdown_delay, &phase) => {}
    }
    tracing::info!("stopped");
    Ok(())
}

/// The first signal: `/ready` fails, and while endpoints are being removed requests keep
/// coming and being served, each the last of its connection; then draining begins. The
/// second signal stops everything.
async fn signals(
    mut terminate: Signal,
    mut interrupt: Signal,
    ready: &Readiness,
    delay: Duration,
    phase: &watch::Sender<Phase>,
) {
    stop_signal(&mut terminate, &mut interrupt).await;
    tracing::info!(seconds = delay.as_secs(), "stopping");
    ready.set(false);
    phase.send_replace(Phase::Leaving);
    tokio::select! {
        () = tokio::time::sleep(delay) => {}
        () = stop_signal(&mut terminate, &mut interrupt) => return,
    }
    phase.send_replace(Phase::Draining);
    stop_signal(&mut terminate, &mut interrupt).await;
}

async fn stop_signal(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// All addresses of IPv6 become all of IPv4 on a node without IPv6.
fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let failed = |address: SocketAddr| {
        move |error: io::Error| Failure::from(format!("listen on {address}: {error}"))
    };
    match listen(address) {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && no_ipv6(&error) => {
            let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
            listen(v4).map_err(failed(v4))
        }
        bound => bound.map_err(failed(address)),
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A replica that starts again on the host network finds its old connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn no_ipv6(error: &io::Error) -> bool {
    // EAFNOSUPPORT has no kind of its own.
    const EAFNOSUPPORT: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}
