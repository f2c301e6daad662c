//! The command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use contract::{LogFormat, LogLevel};

/// Injects remote-write sidecars for Azure Monitor into pods that ask for one.
#[derive(Debug, Parser)]
#[command(name = "prom-remotewrite-webhook", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answers the API server's admission reviews.
    Serve(Serve),
    /// Waits until every replica uses the release's configuration and API servers
    /// admit a pod of every profile; helm test runs it in a pod.
    ///
    /// The exit status is 1 if that does not hold within the time that is given; what
    /// is missing goes to standard error.
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The configuration that replicas should use.
    #[arg(long, env = "CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// The SHA-256 hash of the release's configuration; the file must have it.
    #[arg(long, value_name = "HEX")]
    pub(crate) config_sha256: Option<String>,
    /// How many replicas there must be at least.
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    pub(crate) replicas: usize,
    /// Where their admin ports are: a name that stands for all of them, such as a
    /// headless Service, or several.
    #[arg(long, required = true, value_delimiter = ',', value_name = "HOST:PORT")]
    pub(crate) replicas_at: Vec<String>,
    /// The namespace in which pods are created, in a dry run.
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: String,
    /// A label for these pods.
    #[arg(long = "pod-label", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) pod_labels: Vec<(String, String)>,
    /// An annotation for these pods.
    #[arg(long = "pod-annotation", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) pod_annotations: Vec<(String, String)>,
    /// How long to wait for all of it.
    #[arg(long, default_value = "4m", value_parser = duration, value_name = "DURATION")]
    pub(crate) timeout: Duration,
    /// The API server's host; a pod has it in this variable.
    #[arg(long, env = "KUBERNETES_SERVICE_HOST", value_name = "HOST")]
    pub(crate) api_server_host: String,
    /// The API server's port; a pod has it in this variable.
    #[arg(long, env = "KUBERNETES_SERVICE_PORT", value_name = "PORT")]
    pub(crate) api_server_port: u16,
    /// Where the token and the CA of the API server are.
    #[arg(
        long,
        default_value = "/var/run/secrets/kubernetes.io/serviceaccount",
        value_name = "DIR"
    )]
    pub(crate) service_account: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The configuration, in YAML; read again when it changes.
    #[arg(long, env = "CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// A directory with tls.crt and tls.key; read again when they change.
    #[arg(long, env = "CERT_DIR", value_name = "DIR")]
    pub(crate) cert_dir: PathBuf,
    /// Where /mutate is served, over TLS.
    #[arg(long, env = "LISTEN", default_value = "[::]:8443", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// Where /health, /ready, /metrics, /config and /certificate are served.
    #[arg(long, env = "ADMIN", default_value = "[::]:8080", value_name = "ADDRESS")]
    pub(crate) admin: SocketAddr,
    /// Serve only clients with a certificate of these authorities (PEM); read again when
    /// it changes.
    #[arg(long, env = "CLIENT_CA", value_name = "FILE")]
    pub(crate) client_ca: Option<PathBuf>,
    /// After SIGTERM, how long to go on while endpoints are removed.
    #[arg(long, env = "SHUTDOWN_DELAY", default_value = "5s", value_parser = duration)]
    pub(crate) shutdown_delay: Duration,
    /// Then, how long what is under way may take.
    #[arg(long, env = "SHUTDOWN_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub(crate) shutdown_timeout: Duration,
    /// error, warn, info, debug or trace.
    #[arg(long, env = "LOG_LEVEL", default_value = "info", value_parser = level)]
    pub(crate) log_level: LogLevel,
    /// logfmt or json.
    #[arg(long, env = "LOG_FORMAT", default_value = "logfmt", value_parser = format)]
    pub(crate) log_format: LogFormat,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let both = text.split_once('=').filter(|(name, _)| !name.is_empty());
    both.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "expected NAME=VALUE".to_owned())
}

/// A duration; unlike the contract's, it may be nothing.
fn duration(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s") {
        return Ok(Duration::ZERO);
    }
    contract::parse_duration(text).map_err(|rejected| format!("expected {}", rejected.expected))
}

fn level(text: &str) -> Result<LogLevel, String> {
    text.parse().map_err(|rejected: contract::Rejected| format!("expected {}", rejected.expected))
}

fn format(text: &str) -> Result<LogFormat, String> {
    text.parse().map_err(|rejected: contract::Rejected| format!("expected {}", rejected.expected))
}
