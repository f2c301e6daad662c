//! What counts as a proof, and how it is stated.

use tests::azure::Workspace;

use super::stage::JOBS;

/// So many scrapes of each job: enough for a meaningful mean.
const SCRAPES: usize = 5;

/// What lies behind one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    /// How the writer proved who it is.
    pub(crate) role: &'static str,
    /// Samples, each counted once.
    pub(crate) samples: u64,
    /// Series.
    pub(crate) series: usize,
    /// The audience of every token that they came with.
    pub(crate) audience: String,
}

/// A proof, if everything that Prometheus scrapes is there and up, with the
/// external label, and came with tokens of one writer for one audience.
pub(crate) fn find(
    role: &'static str,
    writer: &str,
    cluster: &str,
    workspace: &Workspace,
) -> Option<Proof> {
    let one_writer = workspace.writers.keys().eq([writer]);
    let mut audiences = workspace.audiences.keys();
    let (Some(audience), None) = (audiences.next(), audiences.next()) else { return None };
    let is_up = |job: &str| {
        let labels = [("__name__", "up"), ("job", job), ("cluster", cluster)];
        workspace.find(&labels).any(|(_, series)| {
            let up = series.newest().is_some_and(|sample| sample.value > 0.0);
            up && series.samples.len() >= SCRAPES
        })
    };
    (one_writer && JOBS.iter().all(|job| is_up(job))).then(|| Proof {
        role,
        samples: workspace.sample_count(),
        series: workspace.series_count(),
        audience: audience.clone(),
    })
}

/// All proofs in one line.
pub(crate) fn sentence(proofs: &[Proof]) -> String {
    let each = |proof: &Proof| {
        let Proof { role, samples, series, audience } = proof;
        format!("{samples} samples of {series} series with a token for {audience}, as {role}")
    };
    format!("stored {}", proofs.iter().map(each).collect::<Vec<_>>().join(", and "))
}
