//! Everything that runs.

use std::time::Duration;

use tests::{
    azure::Service,
    process::Usage,
    prometheus::Prometheus,
    scene::{Role, Scene},
    sidecar::Sidecar,
    webhook::Webhook,
};

/// The jobs that Prometheus scrapes, itself first.
pub(crate) const JOBS: [&str; 4] =
    ["prometheus", "webhook", "sidecar-managed-identity", "sidecar-application"];

/// The running parts. Dropped, they are killed.
pub(crate) struct Stage {
    pub(crate) scene: Scene,
    pub(crate) webhook: Webhook,
    pub(crate) sidecars: [Sidecar; 2],
    pub(crate) prometheus: Option<Prometheus>,
    /// What each sidecar had used before it got its first request.
    idle: [Option<Usage>; 2],
}

/// What a sidecar costs.
pub(crate) struct Cost {
    /// Bytes.
    pub(crate) peak_memory: u64,
    /// CPU time of one request, start-up and first token not counted.
    pub(crate) per_request: Option<Duration>,
    /// How many requests that is the mean of.
    pub(crate) requests: u32,
}

impl Stage {
    pub(crate) fn new(scene: Scene, webhook: Webhook, sidecars: [Sidecar; 2]) -> Self {
        Self { scene, webhook, sidecars, prometheus: None, idle: [None, None] }
    }

    /// From now on requests come; what was used so far is not theirs.
    pub(crate) fn begin_to_count(&mut self) {
        self.idle = self.sidecars.each_ref().map(Sidecar::usage);
    }

    /// Each role with its sidecar.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&Role, &Sidecar)> {
        self.scene.roles().into_iter().zip(&self.sidecars)
    }

    /// How Azure answered the writes to a role's rule.
    pub(crate) fn answers(&self, role: &Role) -> Vec<u16> {
        let requests = self.scene.azure.requests(Service::Ingestion);
        let of_rule = requests.into_iter().filter(|one| one.target.contains(&role.rule));
        of_rule.filter_map(|one| one.status).collect()
    }

    /// What each sidecar has cost so far; `None` where the system doesn't tell.
    pub(crate) fn costs(&self) -> [Option<Cost>; 2] {
        let [first, second] = self.scene.roles();
        let cost = |role, sidecar: &Sidecar, idle: Option<Usage>| {
            let usage = sidecar.usage()?;
            let requests = u32::try_from(self.answers(role).len()).unwrap_or(u32::MAX);
            let busy = usage.cpu.saturating_sub(idle?.cpu);
            let per_request = busy.checked_div(requests);
            Some(Cost { peak_memory: usage.peak_memory, per_request, requests })
        };
        [
            cost(first, &self.sidecars[0], self.idle[0]),
            cost(second, &self.sidecars[1], self.idle[1]),
        ]
    }
}
