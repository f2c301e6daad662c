//! `prom-remotewrite-certs`: issues the webhook's certificate.
#![expect(clippy::disallowed_methods, reason = "main owns the environment and the clock")]

use std::{
    error::Error,
    io::{self, Write},
    net::IpAddr,
    path::PathBuf,
    process::ExitCode,
    time::SystemTime,
};

use certs::{
    directory::{self, Existing},
    issue::{Request, issue},
    lifetime::Lifetime,
};
use clap::{Args, Parser, Subcommand};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Issues the webhook's CA and serving certificate.
#[derive(Parser)]
#[command(name = "prom-remotewrite-certs", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write ca.crt, tls.crt and tls.key into a directory, for a run without a cluster.
    Issue(IssueArguments),
}

#[derive(Args)]
struct IssueArguments {
    /// The directory; it is made if needed.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// A host name of the server, such as prom-remotewrite-webhook.monitoring.svc.
    #[arg(long, value_name = "NAME", required_unless_present = "ip")]
    dns_name: Vec<String>,
    /// An address of the server.
    #[arg(long, value_name = "ADDRESS")]
    ip: Vec<IpAddr>,
    /// How long CA and certificate live.
    #[arg(long, value_name = "DURATION", default_value = "365d", value_parser = lifetime)]
    validity: Lifetime,
    /// Replace files of an earlier run.
    #[arg(long)]
    force: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Issue(arguments) => run_issue(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed = writeln!(io::stderr(), "error: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run_issue(arguments: IssueArguments) -> Result<(), Box<dyn Error>> {
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

fn lifetime(text: &str) -> Result<Lifetime, String> {
    text.parse().map_err(|rejected: contract::Rejected| format!("expected {}", rejected.expected))
}

/// An error and its causes, in one line.
fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}
