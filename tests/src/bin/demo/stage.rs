//! Everything that runs.

use std::time::Duration;

use tests::{
    azure::Service,
    machine::process::Usage,
    product::{sidecar::Sidecar, webhook::Webhook},
    prometheus::Prometheus,
    scene::{Role, Scene},
};

/// The jobs that Prometheus scrapes, itself first.
pub(crate) const JOBS: [&str; 3] = ["prometheus", "webhook", "sidecar"];

/// The running parts. Dropped, they are killed.
pub(crate) struct Stage {
    pub(crate) scene: Scene,
    pub(crate) webhook: Webhook,
    pub(crate) sidecar: Sidecar,
    pub(crate) prometheus: Option<Prometheus>,
    /// What the sidecar had used before it got its first request.
    idle: Option<Usage>,
}

/// What the sidecar costs.
pub(crate) struct Cost {
    /// Bytes.
    pub(crate) peak_memory: u64,
    /// CPU time of one request, start-up and first token not counted.
    pub(crate) per_request: Option<Duration>,
    /// How many requests that is the mean of.
    pub(crate) requests: u32,
}

impl Stage {
    pub(crate) fn new(scene: Scene, webhook: Webhook, sidecar: Sidecar) -> Self {
        Self { scene, webhook, sidecar, prometheus: None, idle: None }
    }

    /// From now on requests come; what was used so far is not theirs.
    pub(crate) fn begin_to_count(&mut self) {
        self.idle = self.sidecar.usage();
    }

    /// How Azure answered the writes to a role's rule.
    pub(crate) fn answers(&self, role: &Role) -> Vec<u16> {
        let requests = self.scene.azure.requests(Service::Ingestion);
        let of_rule = requests.into_iter().filter(|one| one.target.contains(&role.rule));
        of_rule.filter_map(|one| one.status).collect()
    }

    /// What the sidecar has cost so far; `None` where the system doesn't tell.
    pub(crate) fn cost(&self) -> Option<Cost> {
        let usage = self.sidecar.usage()?;
        let requests: usize = self.scene.roles().map(|role| self.answers(role).len()).iter().sum();
        let requests = u32::try_from(requests).unwrap_or(u32::MAX);
        let busy = usage.cpu.saturating_sub(self.idle?.cpu);
        let per_request = busy.checked_div(requests);
        Some(Cost { peak_memory: usage.peak_memory, per_request, requests })
    }
}
