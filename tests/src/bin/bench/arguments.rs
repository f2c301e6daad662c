//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::{cells::Cell, contenders::Proxy, rounds::Effort};

/// Measures both programs beside what one could use instead.
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
    /// A contender, which the bench starts by itself.
    #[command(hide = true)]
    BareHyper(Proxy),
}

/// What is measured, and where the figures go.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Every size over every number of connections, not only where there are
    /// goals.
    #[arg(long)]
    pub(crate) all: bool,
    /// These alone, such as 100KiB/8,25KiB/1.
    #[arg(long, value_delimiter = ',', conflicts_with = "all")]
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
}

impl Run {
    pub(crate) const fn effort(&self) -> Effort {
        Effort { rounds: self.rounds, round_seconds: self.seconds }
    }
}
