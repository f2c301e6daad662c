//! `prom-remotewrite-certs`: issues the webhook's certificate, keeps it fresh.
//!
//! Exit status: 0 when all is as it should be, 1 when it is not yet and a
//! later run may succeed, 2 for a bad command line, 78 for a configuration
//! that no later run can cure.
#![expect(clippy::disallowed_methods, reason = "main owns the environment and the clock")]

mod arguments;

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
    time::SystemTime,
};

use arguments::{Arguments, Command, Issue, Rotate};
use certs::{
    directory::{self, Existing},
    issue::{Request, issue},
    rotate::{self, Rotation, chain, cluster},
};
use clap::Parser;
use contract::{LogLevel, names::EXIT_CONFIGURATION};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Issue(arguments) => run_issue(arguments),
        Command::Rotate(arguments) => run_rotate(&arguments),
    };
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
        Some(rotate::Error::Issue(_) | rotate::Error::Cluster(cluster::Error::NotOurs(_))) => {
            ExitCode::from(EXIT_CONFIGURATION)
        }
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
    let end = OffsetDateTime::from(issued.not_after).format(&Rfc3339)?;
    let mut out = io::stdout().lock();
    for path in directory::write(&issued, &arguments.dir, existing)? {
        writeln!(out, "wrote {}", path.display())?;
    }
    writeln!(out, "valid until {end}")?;
    Ok(())
}

fn run_rotate(arguments: &Rotate) -> Result<(), Box<dyn Error>> {
    let ours = ["certs", "prom_remotewrite_certs"];
    let subscriber = logs::subscriber(&ours, LogLevel::Info, arguments.log_format);
    tracing::subscriber::set_global_default(subscriber)?;
    // kube takes the process' provider; there is one TLS stack here.
    let _first = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // The first process in a container ends at SIGTERM only if it asks to.
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = within(arguments) => result,
            _ = terminate.recv() => Err("stopped by a signal; a later run goes on from here".into()),
        }
    })
}

async fn within(arguments: &Rotate) -> Result<(), Box<dyn Error>> {
    let limit = arguments.timeout;
    tokio::time::timeout(limit, rotate(arguments))
        .await
        .map_err(|_| format!("not done after {limit:?}; a later run goes on from here"))?
}

async fn rotate(arguments: &Rotate) -> Result<(), Box<dyn Error>> {
    let client = kube::Client::try_default().await?;
    let rotation = Rotation {
        cluster: cluster::Cluster::new(client, arguments.target()),
        policy: arguments.policy(),
        lifetime: arguments.validity,
    };
    if arguments.dry_run {
        let step = rotation.preview(SystemTime::now()).await?;
        tracing::info!(%step, "would be next");
    } else {
        rotation.run(SystemTime::now).await?;
    }
    Ok(())
}
