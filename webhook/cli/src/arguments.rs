//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::examples;

/// Inject, check and migrate the sidecars through which Prometheus writes to Azure Monitor.
#[derive(Debug, Parser)]
#[command(name = "kubectl-prom_remotewrite", bin_name = "kubectl prom-remotewrite", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Add sidecars to manifests, as the webhook would.
    ///
    /// Every annotated pod and pod template gets what the webhook would add; all other
    /// text is unchanged. The result is written to standard output, a summary to standard
    /// error. If a pod would be denied, or if there is no pod, nothing is written and the
    /// exit status is 1.
    #[command(after_long_help = examples::INJECT)]
    Inject(Manifests),
    /// Show what the webhook would do with each pod, and where each setting comes from.
    ///
    /// The exit status is 1 if there is no pod, if one would be denied, or, with
    /// --cluster, if one could not start in the cluster.
    #[command(after_long_help = examples::EXPLAIN)]
    Explain(Explain),
    /// Replace hand-written sidecars with the annotation.
    ///
    /// Finds Microsoft's container with its volumes, aad-auth-proxy as a sidecar, and
    /// Prometheus' own azuread block, in a chart's values, a Prometheus object, a workload
    /// or prometheus.yml. Several in one pod become destinations of one sidecar. The file
    /// is written to standard output, with all other lines unchanged; the profiles for this
    /// chart's values, and what is not migrated, is lost or needs a manual step, to standard
    /// error. Existing files are never overwritten. The exit status is 1 if something is
    /// not migrated or lost, or if the file cannot be read; in the last case nothing is
    /// written.
    #[command(after_long_help = examples::MIGRATE)]
    Migrate(Migrate),
    /// Validate a configuration, and report all errors.
    ///
    /// In values of the chart, only `config` is checked, with every spelling that the
    /// webhook accepts. The chart's schema is stricter (one spelling of each word, no
    /// strings for numbers) and validates the other values: run helm template, too. A
    /// cloud that contradicts the ingestion URL is an error; a setting that has no effect
    /// for the identity type is a warning.
    #[command(after_long_help = examples::VALIDATE)]
    Validate(Validate),
    /// Print admission policies that inject sidecars without a webhook.
    ///
    /// For each profile of the configuration: a mutating policy that adds what the webhook
    /// would add, its binding and its parameters. For all of them: a validating policy that
    /// denies annotated pods that cannot get a sidecar in this way, with the reason. This
    /// requires Kubernetes 1.36. If the configuration is invalid, nothing is printed and
    /// the exit status is 78.
    #[command(after_long_help = examples::POLICY)]
    Policy(PolicyArguments),
    /// Show every sidecar of a cluster, and all problems with their next steps.
    ///
    /// Prints a line for each destination of each injected pod: the version that injected
    /// it, whether its settings are current, whether it is ready, when Azure last accepted a
    /// write, the samples that Azure has refused since it started, and the remaining
    /// lifetime of its token and certificate. Then it lists all problems of the webhook or
    /// the policies, pods, workloads and Prometheus objects. The exit status is 1 if there is a problem, or if the
    /// cluster cannot be reached; notes do not change it.
    #[command(after_long_help = examples::STATUS)]
    Status(Status),
    /// Check every step to Azure in each sidecar, and print the reports that are not ok.
    ///
    /// Runs prom-remotewrite check in the container of each injected pod: it tests every
    /// step of a write, and suggests fixes. This requires the right to create pods/exec.
    /// The exit status is 1 if a report is not ok, if there is none, or if the cluster
    /// cannot be reached.
    #[command(after_long_help = examples::CHECK)]
    Check(Check),
    /// Print the JSON Schema of the configuration.
    #[command(after_long_help = examples::SCHEMA)]
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyArguments {
    /// Configuration of the webhook, or values of the chart; - is standard input.
    #[arg(long, env = "CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Only this profile; can be repeated.
    #[arg(long = "profile", value_name = "NAME")]
    pub(crate) profiles: Vec<String>,
    /// Existing namespace for the parameters; without it, a namespace prom-remotewrite
    /// is printed as well.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
}

/// The clusters and namespaces to read.
#[derive(Debug, Args)]
pub(crate) struct Clusters {
    /// Only this namespace.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// All namespaces (the default).
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,
    /// Context of the kubeconfig to use instead of the current one; can be repeated, for
    /// several clusters.
    #[arg(long = "context", value_name = "NAME")]
    pub(crate) contexts: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) clusters: Clusters,
    /// Output format; wide has more columns.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
    /// Do not read metrics of pods, which requires the API server's pod proxy.
    #[arg(long)]
    pub(crate) no_metrics: bool,
    /// Print the rights that status and check require, as YAML, without contacting a
    /// cluster.
    #[arg(long)]
    pub(crate) rbac: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) clusters: Clusters,
    /// Only these pods; without any, all that have an injected sidecar.
    #[arg(value_name = "[NAMESPACE/]POD")]
    pub(crate) pods: Vec<String>,
}

/// The output format of `status`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Output {
    Text,
    Wide,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Manifests {
    /// Configuration of the webhook, or values of the chart.
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
    /// Also check in the current cluster that referenced objects exist: secret provider
    /// classes and their files, secrets, config maps, service accounts.
    #[arg(long)]
    pub(crate) cluster: bool,
    /// Default namespace for objects without one.
    #[arg(short, long, value_name = "NAME", requires = "cluster")]
    pub(crate) namespace: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// YAML or JSON with any number of documents; - is standard input.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) filename: PathBuf,
    /// Name of the first profile; pods use the one named default without naming it.
    #[arg(
        long,
        value_name = "NAME",
        default_value = contract::annotations::DEFAULT_PROFILE,
        value_parser = cli::validate::profile_name,
    )]
    pub(crate) profile: String,
    /// Values of the installed release of this project's chart, as printed by helm get
    /// values: no new profile gets the name of an existing one.
    #[arg(long, value_name = "FILE")]
    pub(crate) release_values: Option<PathBuf>,
    /// Write the profiles to a new file, as values for helm upgrade -f, instead of
    /// standard error.
    #[arg(long, value_name = "FILE")]
    pub(crate) profile_to: Option<PathBuf>,
    /// Print a diff of the original pod and the injected one, as YAML, to standard error.
    #[arg(long)]
    pub(crate) diff: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Configuration of the webhook, or values of the chart; - is standard input.
    #[arg(long, env = "CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
}
