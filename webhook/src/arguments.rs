//! The command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use contract::{LogFormat, LogLevel};

/// Inject remote-write sidecars for Azure Monitor into annotated pods.
#[derive(Debug, Parser)]
#[command(name = "prom-remotewrite-webhook", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve admission requests.
    Serve(Serve),
    /// Check that every replica, and the API server, admits a pod of each profile (run by
    /// helm test).
    ///
    /// Retries until --timeout. If a check still fails then, the exit status is 1, and
    /// standard error lists what is missing.
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Configuration that replicas should use.
    #[arg(long, env = "CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// SHA-256 hash of the release's configuration, which the file must have.
    #[arg(long, value_name = "HEX")]
    pub(crate) config_sha256: Option<String>,
    /// Minimum number of replicas.
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    pub(crate) replicas: usize,
    /// Their admin ports: a name that resolves to all of them, such as a headless
    /// Service, or several addresses.
    #[arg(long, required = true, value_delimiter = ',', value_name = "HOST:PORT")]
    pub(crate) replicas_at: Vec<String>,
    /// Mutating webhook configuration, which has the CAs that API servers trust.
    #[arg(long, default_value = "prom-remotewrite", value_name = "NAME")]
    pub(crate) configuration: String,
    /// Namespace in which pods are created, in a dry run.
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: String,
    /// Label for these pods.
    #[arg(long = "pod-label", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) pod_labels: Vec<(String, String)>,
    /// Annotation for these pods.
    #[arg(long = "pod-annotation", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) pod_annotations: Vec<(String, String)>,
    /// Maximum time to wait.
    #[arg(long, default_value = "4m", value_parser = duration, value_name = "DURATION")]
    pub(crate) timeout: Duration,
    /// Host of the API server; Kubernetes sets the variable in every pod.
    #[arg(long, env = "KUBERNETES_SERVICE_HOST", value_name = "HOST")]
    pub(crate) api_server_host: String,
    /// Port of the API server; Kubernetes sets the variable in every pod.
    #[arg(long, env = "KUBERNETES_SERVICE_PORT", value_name = "PORT")]
    pub(crate) api_server_port: u16,
    /// Directory with the service account token and the CA of the API server.
    #[arg(
        long,
        default_value = "/var/run/secrets/kubernetes.io/serviceaccount",
        value_name = "DIR"
    )]
    pub(crate) service_account: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Configuration in YAML; reloaded when it changes.
    #[arg(long, env = "CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Directory with tls.crt and tls.key; reloaded when they change.
    #[arg(long, env = "CERT_DIR", value_name = "DIR")]
    pub(crate) cert_dir: PathBuf,
    /// Address for /mutate, over TLS.
    #[arg(long, env = "LISTEN", default_value = "[::]:8443", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// Address for /health, /ready, /metrics, /config and /certificate.
    #[arg(long, env = "ADMIN", default_value = "[::]:8080", value_name = "ADDRESS")]
    pub(crate) admin: SocketAddr,
    /// Accept only clients with a certificate of these CAs (PEM); reloaded when it
    /// changes.
    #[arg(long, env = "CLIENT_CA", value_name = "FILE")]
    pub(crate) client_ca: Option<PathBuf>,
    /// Time to keep serving after SIGTERM, while endpoints are removed.
    #[arg(
        long,
        env = "SHUTDOWN_DELAY",
        default_value = "5s",
        value_parser = duration,
        value_name = "DURATION"
    )]
    pub(crate) shutdown_delay: Duration,
    /// Maximum time to finish requests in flight after that.
    #[arg(
        long,
        env = "SHUTDOWN_TIMEOUT",
        default_value = "10s",
        value_parser = duration,
        value_name = "DURATION"
    )]
    pub(crate) shutdown_timeout: Duration,
    /// Log level: error, warn, info, debug or trace.
    #[arg(
        long,
        env = "LOG_LEVEL",
        default_value = "info",
        value_parser = level,
        value_name = "LEVEL"
    )]
    pub(crate) log_level: LogLevel,
    /// Log format: logfmt or json.
    #[arg(
        long,
        env = "LOG_FORMAT",
        default_value = "logfmt",
        value_parser = format,
        value_name = "FORMAT"
    )]
    pub(crate) log_format: LogFormat,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let both = text.split_once('=').filter(|(name, _)| !name.is_empty());
    both.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "expected NAME=VALUE".to_owned())
}

/// A duration; unlike the contract's, it may be 0.
fn duration(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s") {
        return Ok(Duration::ZERO);
    }
    contract::parse_duration(text).map_err(|rejected| format!("expected {}", rejected.expected))
}

fn level(text: &str) -> Result<LogLevel, String> {
    text.parse()
        .map_err(|rejected: contract::InvalidValue| format!("expected {}", rejected.expected))
}

fn format(text: &str) -> Result<LogFormat, String> {
    text.parse()
        .map_err(|rejected: contract::InvalidValue| format!("expected {}", rejected.expected))
}
