//! Every sidecar at a glance, and everything that is wrong around them.
//!
//! ```text
//! gather     asks clusters: metadata of everything, the whole of what matters
//! facts      what was found, as it was found
//! sidecars   a line for each destination of each injected pod               (pure)
//! plain      what a Prometheus without prometheus-operator writes to        (pure)
//! problems   what is wrong, and the next step                               (pure)
//! render     both as text, wide text or JSON                                (pure)
//! ```
//!
//! What a pod gets, and whether its settings are today's, is the webhook's own
//! decision over the configuration that the cluster has.

pub mod facts;
pub mod gather;
pub mod problems;
pub mod render;
pub mod sidecars;

mod figures;
mod plain;
#[cfg(test)]
mod tests;

use facts::FoundCluster;
use problems::{Problem, Severity};
use sidecars::SidecarLine;

/// The rights that `status` and `check` need, as a `ClusterRole`.
pub const RIGHTS: &str = include_str!("status/rights.yaml");

/// In seconds.
const DAY: i64 = 24 * 60 * 60;

/// What there is to say of some clusters.
#[derive(Debug, serde::Serialize)]
pub struct Overview {
    /// One for each destination of each injected pod.
    pub sidecars: Vec<SidecarLine>,
    /// All that is wrong, and all that might be.
    pub problems: Vec<Problem>,
}

impl Overview {
    /// Looks at everything that was found, at `now`, in seconds since 1970.
    pub fn new(clusters: &[FoundCluster], now: i64) -> Self {
        let (mut lines, mut problems, mut writers) = (Vec::new(), Vec::new(), Vec::new());
        for cluster in clusters {
            let sidecars = sidecars::sidecars(cluster, now);
            let workloads = problems::writers(cluster);
            problems.extend(problems::of(cluster, &sidecars, &workloads, now));
            writers.extend(workloads);
            lines.extend(sidecars.into_iter().flat_map(|sidecar| sidecar.lines));
        }
        problems.extend(problems::same_labels(&writers));
        // Problems before notes, otherwise as they are.
        problems.sort_by_key(|problem| problem.severity == Severity::Note);
        Self { sidecars: lines, problems }
    }

    /// Whether something is wrong.
    pub fn is_bad(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Problem)
    }
}

/// A number of seconds in its largest sensible unit, as kubectl writes ages.
fn span(seconds: i64) -> String {
    match seconds.max(0) {
        seconds if seconds < 2 * 60 => format!("{seconds}s"),
        seconds if seconds < 2 * 60 * 60 => format!("{}m", seconds / 60),
        seconds if seconds < 2 * DAY => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / DAY),
    }
}
