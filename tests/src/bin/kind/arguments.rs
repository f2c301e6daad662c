//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use tests::kind;

/// A real Kubernetes cluster on this machine, made by kind from nothing.
#[derive(Debug, Parser)]
#[command(name = "kind")]
pub(crate) struct Arguments {
    /// The cluster's name.
    #[arg(long, default_value = kind::NAME, global = true)]
    pub(crate) name: String,
    #[command(subcommand)]
    pub(crate) action: Action,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Make the cluster, or what it lacks, and say how to reach it.
    Up,
    /// Remove it, and whatever was started for it.
    Down,
    /// Load images into its nodes.
    Load {
        /// Archives as `docker save` writes them.
        #[arg(required = true)]
        archives: Vec<PathBuf>,
    },
    /// Write the logs of its nodes and pods.
    Logs {
        /// The folder, which is made if it is not there.
        #[arg(default_value = "target/kind-logs")]
        folder: PathBuf,
    },
}
