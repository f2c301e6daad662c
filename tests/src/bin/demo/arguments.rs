//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};
use serde_json::json;
use tests::{
    azure::{Fault, Service},
    keys::secret,
    scene::Scene,
};

/// Samples must be stored within this time from when Prometheus is ready.
const PATIENCE: u64 = 60;

/// Shows the whole way of a sample: admission, injection, token, ingestion.
#[derive(Debug, Parser)]
#[command(name = "demo")]
pub(crate) struct Arguments {
    /// Stop when both workspaces have samples; this is the default without a terminal.
    #[arg(long)]
    pub(crate) once: bool,
    /// Build the sidecar as it is shipped, to measure what it costs; takes minutes the first time.
    #[arg(long)]
    pub(crate) optimised: bool,
    /// Draw what was shown, as SVG.
    #[arg(long, value_name = "FILE")]
    pub(crate) picture: Option<PathBuf>,
    /// Draw the chart's dashboard as SVG, after two minutes with faults.
    #[arg(long, value_name = "FILE")]
    pub(crate) dashboard: Option<PathBuf>,
    /// Break something, to see the demo fail; for its own tests.
    #[arg(long, hide = true)]
    pub(crate) fault: Option<Broken>,
    /// Seconds until a missing proof is a failure; for its own tests.
    #[arg(long, hide = true, default_value_t = PATIENCE)]
    patience: u64,
}

impl Arguments {
    pub(crate) const fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }
}

/// What is broken.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Broken {
    /// No one issues a token, so the sidecars send none.
    NoToken,
    /// Someone else issued the tokens.
    ForeignToken,
    /// No one has the role on the data collection rules.
    NoRole,
}

impl Broken {
    pub(crate) fn inflict(self, scene: &Scene) {
        let azure = &scene.azure;
        let both = |fault: &Fault| {
            azure.faults(Service::Imds).always(fault.clone());
            azure.faults(Service::Entra).always(fault.clone());
        };
        match self {
            Self::NoToken => both(&Fault::status(503)),
            Self::ForeignToken => {
                let expires = azure.clock().seconds() + 3600;
                // Both issuers' forms in one.
                let body = json!({
                    "access_token": secret::uuid(), "token_type": "Bearer", "expires_in": 3600,
                    "resource": "https://monitor.azure.com/", "expires_on": expires.to_string(),
                });
                both(&Fault::status(200).json(&body));
            }
            Self::NoRole => azure.change(|setup| {
                setup.rules.iter_mut().for_each(|rule| rule.writers.clear());
            }),
        }
    }
}
