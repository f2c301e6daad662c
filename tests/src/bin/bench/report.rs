//! All figures of a run, as they go into a file.

use ::tests::machine::hardware::Hardware;
use serde::Serialize;

use crate::{
    creation::Creation,
    reviews::Reviewed,
    rounds::{Effort, Measured},
    spread::Spread,
};

/// A run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Hardware,
    pub(crate) effort: Effort,
    /// Forwarding, compared with others.
    pub(crate) cells: Vec<Measured>,
    pub(crate) sidecar: Option<SidecarAlone>,
    pub(crate) webhook: Option<Webhook>,
}

/// The sidecar by itself.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SidecarAlone {
    pub(crate) start_to_token_milliseconds: Spread,
    pub(crate) idle_cpu_milliseconds_a_second: f64,
}

/// The webhook.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Webhook {
    pub(crate) reviews: Vec<Reviewed>,
    pub(crate) start_to_ready_milliseconds: Spread,
    /// Absent where there is no control plane.
    pub(crate) creation: Option<Creation>,
}
