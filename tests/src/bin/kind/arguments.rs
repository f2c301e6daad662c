//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use tests::{kubernetes::kind, product::binaries};

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
    /// Create the cluster, or what is missing of it, and print how to reach it.
    Up,
    /// Remove it, and whatever was started for it.
    Down,
    /// Build images again, and load them into its nodes.
    Load {
        /// Images of these programs.
        #[arg(required = true)]
        images: Vec<Image>,
    },
    /// Write the logs of its nodes and pods.
    Logs {
        /// Folder for the logs; created if it does not exist.
        #[arg(default_value = "target/kind-logs")]
        folder: PathBuf,
    },
}

/// What is loaded.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Image {
    Sidecar,
    Webhook,
    Certs,
    Azure,
}

impl Image {
    /// The program of the workspace in it.
    pub(crate) const fn program(self) -> &'static str {
        match self {
            Self::Sidecar => binaries::SIDECAR,
            Self::Webhook => binaries::WEBHOOK,
            Self::Certs => binaries::CERTS,
            Self::Azure => binaries::AZURE,
        }
    }
}
