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
    /// Writes manifests with sidecars to standard output.
    ///
    /// Every pod and pod template that asks gets what the webhook would give
    /// it; all other text stays as it is. If one would be denied, nothing is
    /// written and the exit status is 1. What was done goes to standard error.
    Inject(Manifests),
    /// Says what would become of each pod, why, and where each setting comes from.
    ///
    /// The exit status is 1 if there is no pod, if one would be denied, or if one
    /// could not start in the cluster that was asked.
    Explain(Explain),
    /// Writes what people have written by hand with an annotation instead.
    ///
    /// Microsoft's container with its volumes, aad-auth-proxy beside Prometheus,
    /// and Prometheus' own azuread block, in a chart's values, a Prometheus
    /// object, a workload or prometheus.yml. The file goes to standard output,
    /// with all other lines as they are; the profile for this chart's values,
    /// and what was done, differs or is lost, to standard error. No file that is
    /// there already is written to. The exit status is 1 if something stays as it is or is lost, or if the file cannot be
    /// read, and then nothing is written.
    Migrate(Migrate),
    /// Reads a configuration and says everything that is wrong with it.
    ///
    /// Of the chart's values the part that becomes the configuration is read, with
    /// every spelling that the webhook takes. Helm's schema is stricter there (one
    /// spelling, no texts for numbers) and knows the rest: run helm template too.
    Validate(Validate),
    /// Waits until every replica uses the release's configuration and API servers
    /// admit a pod of every profile; helm test runs it in a pod.
    ///
    /// The exit status is 1 if that does not hold within the time that is given; what
    /// is missing goes to standard error.
    Verify(Verify),
    /// Writes the configuration's JSON Schema to standard output.
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct Manifests {
    /// The webhook's configuration, or values of the chart.
    #[arg(long, env = "CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// YAML or JSON with any number of documents; - is standard input.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) filename: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) manifests: Manifests,
    /// Ask the cluster of the kubeconfig whether it has what each pod needs there,
    /// such as the class that delivers its certificate, and the file in it.
    #[arg(long)]
    pub(crate) cluster: bool,
    /// The namespace of objects that name none.
    #[arg(short, long, value_name = "NAME", requires = "cluster")]
    pub(crate) namespace: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// YAML or JSON with any number of documents; - is standard input.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) filename: PathBuf,
    /// The name of the first profile; pods need not name the one called default.
    #[arg(
        long,
        value_name = "NAME",
        default_value = contract::annotations::DEFAULT_PROFILE,
        value_parser = webhook::migrate::profile_name,
    )]
    pub(crate) profile: String,
    /// Write the profiles to a new file, as values for helm upgrade -f, instead of
    /// standard error.
    #[arg(long, value_name = "FILE")]
    pub(crate) profile_to: Option<PathBuf>,
    /// Compare each pod with the one that the webhook makes of the result, field
    /// by field, on standard error.
    #[arg(long)]
    pub(crate) diff: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// The webhook's configuration, or values of the chart; - is standard input.
    #[arg(long, env = "CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
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
    /// Where /health, /ready, /metrics and /config are served.
    #[arg(long, env = "ADMIN", default_value = "[::]:8080", value_name = "ADDRESS")]
    pub(crate) admin: SocketAddr,
    /// Serve only clients with a certificate of these authorities (PEM); read once.
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
