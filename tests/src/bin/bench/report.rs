//! All figures of a run, as they go into a file.

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
    pub(crate) machine: Machine,
    pub(crate) effort: Effort,
    /// Forwarding, compared with others.
    pub(crate) cells: Vec<Measured>,
    pub(crate) sidecar: Option<SidecarAlone>,
    pub(crate) webhook: Option<Webhook>,
}

/// Where it was run: figures of two machines cannot be compared, ratios can.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
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

impl Machine {
    /// This one.
    pub(crate) fn this() -> Self {
        let read = |file| std::fs::read_to_string(file).unwrap_or_default();
        let processor = read("/proc/cpuinfo");
        let release = read("/proc/sys/kernel/osrelease");
        let model = processor.lines().find_map(|line| line.strip_prefix("model name"));
        let model = model.unwrap_or_default().trim_matches(['\t', ' ', ':']);
        Self {
            processor: model.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            // Additions of a distribution do not matter here.
            kernel: release.trim().split('-').next().unwrap_or_default().to_owned(),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {} cores, Linux {}", self.processor, self.cores, self.kernel)
    }
}
