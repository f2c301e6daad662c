//! `prom-remotewrite-certs`: issues the webhook's certificate, keeps it valid.
//!
//! Exit status: 0 when everything is as it should be or a watcher was stopped, 1
//! when a later run may succeed, 2 for a bad command line, 78 for a
//! configuration with which no later run can succeed.
#![expect(clippy::disallowed_methods, reason = "main owns the environment and the clock")]

mod arguments;

use std::{
    error::Error,
    io::{self, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arguments::{Arguments, Command, Issue, Rotate};
use certs::{
    VERSION, admin,
    directory::{self, Existing},
    issue::{Request, issue},
    rotate::{self, Rotation, chain, cluster, plan::Obstacle, status::Status},
};
use clap::Parser;
use contract::names::EXIT_CONFIGURATION;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// An earlier instance is gone after seconds.
const BIND_RETRY: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Issue(arguments) => run_issue(arguments),
        Command::Rotate(arguments) => run_rotate(&arguments),
    };
    logs::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed = writeln!(io::stderr(), "error: {}", chain(&*error));
            exit_code(&*error)
        }
    }
}

fn exit_code(error: &(dyn Error + 'static)) -> ExitCode {
    match error.downcast_ref() {
        Some(
            rotate::Error::Issue(_)
            | rotate::Error::Blocked(Obstacle::Managed(..) | Obstacle::NoAuthority),
        ) => ExitCode::from(EXIT_CONFIGURATION),
        _ => ExitCode::FAILURE,
    }
}

fn run_issue(arguments: Issue) -> Result<(), Box<dyn Error>> {
    let request = Request {
        dns_names: arguments.dns_name,
        addresses: arguments.ip,
        lifetime: arguments.validity,
    };
    let issued = issue(&request, SystemTime::now())?;
    let existing = if arguments.force { Existing::Replace } else { Existing::Keep };
    let end = OffsetDateTime::from(issued.not_after()).format(&Rfc3339)?;
    let mut out = io::stdout().lock();
    for path in directory::write(issued.pem(), &arguments.dir, existing)? {
        writeln!(out, "wrote {}", path.display())?;
    }
    writeln!(out, "valid until {end}")?;
    Ok(())
}

fn run_rotate(arguments: &Rotate) -> Result<(), Box<dyn Error>> {
    logs::start(&["certs", "prom_remotewrite_certs"], arguments.log_level, arguments.log_format)?;
    // kube takes the process' provider; there is one TLS stack here.
    let _first = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // The first process in a container exits at SIGTERM only if it handles it.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stopped = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        if arguments.watch {
            tokio::select! {
                result = watch(arguments) => result,
                () = stopped => Ok(()),
            }
        } else {
            tokio::select! {
                result = within(arguments) => result,
                () = stopped => Err("stopped by a signal; a later run continues from here".into()),
            }
        }
    })
}

async fn watch(arguments: &Rotate) -> Result<(), Box<dyn Error>> {
    let status = Arc::new(Status::default());
    tracing::info!(version = VERSION, "watching");
    let rotation = rotation(arguments).await?;
    tokio::select! {
        () = serve_admin(arguments.admin, &status) => Ok(()),
        () = rotation.watch(SystemTime::now, &status) => Ok(()),
    }
}

/// Never returns. A port that is in use, for example by an earlier instance on the node's
/// network, must not keep the certificate from being renewed.
async fn serve_admin(address: SocketAddr, status: &Arc<Status>) {
    let mut is_logged = false;
    loop {
        match bind(address).await {
            Ok(listener) => {
                let address = listener.local_addr().ok().map(|address| address.to_string());
                tracing::info!(address, "serving probes and metrics");
                match admin::serve(listener, status.clone()).await {}
            }
            Err(error) if !is_logged => {
                tracing::warn!(%address, %error, "cannot serve probes and metrics yet");
                is_logged = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(BIND_RETRY).await;
    }
}

async fn within(arguments: &Rotate) -> Result<(), Box<dyn Error>> {
    let limit = arguments.timeout;
    tokio::time::timeout(limit, run_once(arguments))
        .await
        .map_err(|_| format!("not finished after {limit:?}; a later run continues from here"))?
}

async fn run_once(arguments: &Rotate) -> Result<(), Box<dyn Error>> {
    let rotation = rotation(arguments).await?;
    if arguments.dry_run {
        let step = rotation.preview(SystemTime::now()).await?;
        tracing::info!(%step, "would be next");
    } else {
        rotation.run(SystemTime::now).await?;
    }
    Ok(())
}

async fn rotation(arguments: &Rotate) -> Result<Rotation, Box<dyn Error>> {
    let client = kube::Client::try_default().await?;
    let cluster = cluster::Cluster::new(client, arguments.target());
    Ok(Rotation::new(cluster, arguments.policy(), arguments.validity))
}

/// All addresses of IPv6 become all of IPv4 on a node without IPv6.
async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error)
            if error.kind() != io::ErrorKind::AddrInUse
                && address.ip() == Ipv6Addr::UNSPECIFIED =>
        {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}
