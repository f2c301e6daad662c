//! The command line.

use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

/// Adds an Entra token to Prometheus' remote-write requests and posts them to
/// Azure Monitor. All settings come from the environment.
#[derive(Debug, Parser)]
#[command(name = "prom-remotewrite", version)]
pub(crate) struct Arguments {
    /// Without one, it serves.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Says whether everything works that a write needs, and what to do if not.
    ///
    /// It may run beside the sidecar. The exit status is 0 if no step failed, 1
    /// if one did, and 78 for a configuration with which the sidecar does not
    /// start.
    Check {
        /// The report's form.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
        /// How long all steps may take together.
        #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
        timeout: Duration,
    },
    /// Reports whether the sidecar in this pod lives, for exec probes.
    ///
    /// It asks for /health on loopback, at `LISTENING_PORT`. The exit status is 0
    /// if the sidecar answers, and 1 with a reason if it does not.
    Health,
    /// Prints the entry of Prometheus' own configuration that does without the
    /// sidecar.
    ///
    /// Comments say from which version of Prometheus on each field exists, what
    /// is different without the sidecar, and what cannot be said there.
    Native {
        /// The configuration's form.
        #[arg(long, value_enum, default_value_t = Language::Yaml)]
        output: Language,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Output {
    /// A line for each step.
    Text,
    /// One object: `version`, `ok`, and `steps`, each with `name`, `status`
    /// (ok, warning, failed or skipped), `detail` and `remedy`.
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Language {
    /// As prometheus.yml has it, with comments.
    Yaml,
    /// As spec of a Prometheus object and the values of kube-prometheus-stack
    /// have it, with comments.
    Operator,
}

fn duration(text: &str) -> Result<Duration, String> {
    contract::parse_duration(text).map_err(|rejected| format!("expected {}", rejected.expected))
}
