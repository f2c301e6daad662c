//! How the kubelet checks the sidecar.

use contract::{LivenessProbe, ReadinessProbe};

use super::Merge;
use crate::pod::Mesh;

impl Merge<'_> {
    /// A mesh redirects HTTP probes to its proxy, but not a command.
    pub(super) fn liveness(&self, mesh: Option<&Mesh>) -> LivenessProbe {
        let usual = mesh.map_or(LivenessProbe::Http, |_| LivenessProbe::Exec);
        self.merged.liveness_probe.unwrap_or(usual)
    }

    pub(super) fn readiness(&self, mesh: Option<&Mesh>) -> ReadinessProbe {
        match self.config.readiness_probe {
            ReadinessProbe::Http if mesh.is_some() => ReadinessProbe::Exec,
            probe => probe,
        }
    }
}
