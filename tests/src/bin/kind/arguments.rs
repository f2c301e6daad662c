//! The command line.

use std::{convert::Infallible, path::PathBuf, str::FromStr};

use clap::{Parser, Subcommand};
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
    /// Install the product and the stand-in for Azure, or bring them up to date.
    Install,
    /// Load images into its nodes, those of the product built again.
    Load {
        /// `sidecar`, `webhook`, `certs`, `azure`, or an archive as `docker save`
        /// writes it.
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
#[derive(Clone, Debug)]
pub(crate) enum Image {
    /// Of this program of the workspace.
    Program(&'static str),
    /// From a file.
    Archive(PathBuf),
}

impl FromStr for Image {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "sidecar" => Self::Program(binaries::SIDECAR),
            "webhook" => Self::Program(binaries::WEBHOOK),
            "certs" => Self::Program(binaries::CERTS),
            "azure" => Self::Program(binaries::AZURE),
            path => Self::Archive(path.into()),
        })
    }
}
