//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::examples;

/// Tools around the sidecars that write to Azure Monitor, and their webhook.
#[derive(Debug, Parser)]
#[command(name = "kubectl-prom_remotewrite", bin_name = "kubectl prom-remotewrite", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Writes manifests with sidecars to standard output.
    ///
    /// Every pod and pod template that asks gets what the webhook would give
    /// it; all other text stays as it is. If one would be denied, or if there is no
    /// pod, nothing is written and the exit status is 1. What was done goes to
    /// standard error.
    #[command(after_long_help = examples::INJECT)]
    Inject(Manifests),
    /// Says what would become of each pod, why, and where each setting comes from.
    ///
    /// The exit status is 1 if there is no pod, if one would be denied, or if one
    /// could not start in the cluster that was asked.
    #[command(after_long_help = examples::EXPLAIN)]
    Explain(Explain),
    /// Takes a sidecar that was written by hand out of a file, for an annotation.
    ///
    /// It finds Microsoft's container with its volumes, aad-auth-proxy beside
    /// Prometheus, and Prometheus' own azuread block, in a chart's values, a Prometheus
    /// object, a workload or prometheus.yml. The file goes to standard output,
    /// with all other lines as they are; the profile for this chart's values,
    /// and what stays, is lost or is to be done, to standard error. No file that is
    /// there already is written to. The exit status is 1 if something stays as it is
    /// or is lost, or if the file cannot be read, and then nothing is written.
    #[command(after_long_help = examples::MIGRATE)]
    Migrate(Migrate),
    /// Reads a configuration and says everything that is wrong with it.
    ///
    /// Of the chart's values the part that becomes the configuration is read, with
    /// every spelling that the webhook takes. Helm's schema is stricter there (one
    /// spelling, no texts for numbers) and knows the rest: run helm template too.
    /// A cloud that contradicts the ingestion URL is a mistake; a setting that has no
    /// effect for the identity type is a warning.
    #[command(after_long_help = examples::VALIDATE)]
    Validate(Validate),
    /// Prints admission policies that inject sidecars without a webhook.
    ///
    /// For each profile of the configuration, a mutating policy that adds what the webhook
    /// would add, its binding and its parameters; for all of them, a validating policy that
    /// refuses a pod that asks and cannot get a sidecar in this way, and says why. This
    /// needs Kubernetes 1.36. If anything is wrong with the configuration, nothing is
    /// printed and the exit status is 78.
    #[command(after_long_help = examples::POLICY)]
    Policy(Policy),
    /// Shows every sidecar of a cluster, and all problems with their next steps.
    ///
    /// A line for each injected pod: who injected it, whether its settings are
    /// today's, whether it is ready, when Azure last accepted a write, which samples
    /// Azure refused since it started, and how long its token and its certificate
    /// last. Then what is wrong: with the webhook, with pods, with workloads and with
    /// Prometheus objects. The exit status is 1 if there is a problem, or if the
    /// cluster cannot be asked; notes do not change it.
    #[command(after_long_help = examples::STATUS)]
    Status(Status),
    /// Runs the doctor in sidecars, and prints the reports that are not ok.
    ///
    /// That is prom-remotewrite check in the container of each injected pod, which goes
    /// the way of a write step by step, and says what to do. It needs the right to
    /// create pods/exec. The exit status is 1 if a report is not ok, if there is none, or
    /// if the cluster cannot be asked.
    #[command(after_long_help = examples::CHECK)]
    Check(Check),
    /// Writes the configuration's JSON Schema to standard output.
    #[command(after_long_help = examples::SCHEMA)]
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct Policy {
    /// The webhook's configuration, or values of the chart; - is standard input.
    #[arg(long, env = "CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Only this profile; several times for several profiles.
    #[arg(long = "profile", value_name = "NAME")]
    pub(crate) profiles: Vec<String>,
    /// The namespace of the parameters, which exists already; without this, namespace
    /// prom-remotewrite is printed as well.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
}

/// What of which clusters.
#[derive(Debug, Args)]
pub(crate) struct Clusters {
    /// Only this namespace.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// All namespaces, which is the default.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,
    /// The cluster of this context of the kubeconfig instead of the current one's;
    /// several times for several clusters.
    #[arg(long = "context", value_name = "NAME")]
    pub(crate) contexts: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) clusters: Clusters,
    /// The form of the output; wide has more columns.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
    /// Ask no pod for its metrics, which needs the API server's pod proxy.
    #[arg(long)]
    pub(crate) no_metrics: bool,
    /// Print the rights that status and check need, as YAML, and ask nobody.
    #[arg(long)]
    pub(crate) rbac: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) clusters: Clusters,
    /// Only these pods; all that have an injected sidecar if none is named.
    #[arg(value_name = "[NAMESPACE/]POD")]
    pub(crate) pods: Vec<String>,
}

/// The form of an overview.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Output {
    Text,
    Wide,
    Json,
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
        value_parser = cli::validate::profile_name,
    )]
    pub(crate) profile: String,
    /// Values of the running release of this project's chart, as helm get values
    /// prints them: no new profile gets the name of another that is there.
    #[arg(long, value_name = "FILE")]
    pub(crate) release_values: Option<PathBuf>,
    /// Write the profiles to a new file, as values for helm upgrade -f, instead of
    /// standard error.
    #[arg(long, value_name = "FILE")]
    pub(crate) profile_to: Option<PathBuf>,
    /// Print each pod and the one that the webhook makes of the result, as a diff of
    /// their YAML, on standard error.
    #[arg(long)]
    pub(crate) diff: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// The webhook's configuration, or values of the chart; - is standard input.
    #[arg(long, env = "CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
}
