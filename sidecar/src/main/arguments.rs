//! The command line.

use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

/// Add a Microsoft Entra token to Prometheus' remote-write requests, and post them to
/// Azure Monitor.
///
/// Without a command, it serves until SIGTERM. All settings are environment variables,
/// which sidecar/README.md lists. If they are invalid, the exit status is 78.
#[derive(Debug, Parser)]
#[command(name = "prom-remotewrite", version)]
pub(crate) struct Arguments {
    /// The command; without one, it serves.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check every step needed to write to Azure, and suggest fixes.
    ///
    /// It can run next to the sidecar, in the same container. The exit status is 0 if no
    /// step failed, 1 if one did, and 78 if the settings are invalid, so that the sidecar
    /// does not start.
    Check {
        /// Output format.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
        /// Maximum time for all steps together.
        #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
        timeout: Duration,
    },
    /// Check that the sidecar in this pod is alive, for exec probes.
    ///
    /// Requests /health on loopback, at `LISTENING_PORT`. The exit status is 0 if the
    /// sidecar answers, and 1 with the reason if it does not.
    Health,
    /// Print an equivalent azuread configuration for Prometheus, which needs no sidecar.
    ///
    /// Comments give the version of Prometheus that each field requires, the differences
    /// from the sidecar, and the settings that have no equivalent.
    Native {
        /// Output format.
        #[arg(long, value_enum, default_value_t = Language::Yaml)]
        output: Language,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Output {
    /// A line for each step.
    Text,
    /// One object: `version`, `ok`, and `steps`, each with `name`, `status`
    /// (ok, warning, failed or skipped), `detail`, `code` and `remedy`.
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Language {
    /// For prometheus.yml, with comments.
    Yaml,
    /// For the spec of a Prometheus object and the values of kube-prometheus-stack, with
    /// comments.
    Operator,
}

fn duration(text: &str) -> Result<Duration, String> {
    contract::parse_duration(text).map_err(|rejected| format!("expected {}", rejected.expected))
}
