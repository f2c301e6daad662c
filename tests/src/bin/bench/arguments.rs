//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::{cells::Cell, contenders::Proxy, reviews::BareServer, rounds::Effort};

/// Measures both programs compared with what one could use instead.
#[derive(Debug, Parser)]
#[command(name = "bench")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// What else it can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Counts what a request costs, and compares with what is checked in.
    Guard,
    /// A contender, which the bench starts by itself.
    #[command(hide = true)]
    BareHyper(Proxy),
    /// What the webhook is compared with, started by the bench.
    #[command(hide = true)]
    BareWebhook(BareServer),
}

/// What is measured, and where the figures go.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// What is measured; all of it by default.
    #[arg(long, value_delimiter = ',')]
    parts: Vec<Part>,
    /// These sizes and connections instead of those of the goals, such as 100KiB/8,25KiB/1.
    #[arg(long, value_delimiter = ',')]
    pub(crate) cells: Vec<Cell>,
    /// Rounds, after one for warming up.
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// A round's length.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Writes all figures there.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Draws a picture of them there.
    #[arg(long)]
    pub(crate) svg: Option<PathBuf>,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Writes, compared with other proxies.
    Forwarding,
    /// The sidecar's start, and an idle sidecar.
    Sidecar,
    /// Reviews, the webhook's start, and a pod's creation.
    Webhook,
}

impl Run {
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    pub(crate) const fn effort(&self) -> Effort {
        Effort { rounds: self.rounds, round_seconds: self.seconds }
    }
}
