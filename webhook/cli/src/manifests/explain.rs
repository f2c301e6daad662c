//! Why a pod gets a sidecar or none, and where each of its settings comes from.

mod settings;

use std::fmt::{self, Write as _};

use serde_json::Value;
use webhook::{
    config::ConfigFile,
    decide::{Decision, decide},
    pod::Pod,
};

use super::{ManifestError, ReviewedPod, parse};
use crate::{
    identity_webhook,
    needs::{self, Fit, Need, lookup::Finding},
    workloads::workloads,
    yaml::documents,
};

/// A pod or pod template, explained.
#[derive(Debug)]
pub struct Explanation {
    /// The decision about it.
    pub outcome: ReviewedPod,
    /// Each setting with its value and its source, if it gets a sidecar: one list for
    /// each destination, and with the first one the settings of the whole sidecar.
    pub destinations: Vec<ExplainedDestination>,
    /// Objects that it will need in its namespace.
    pub needs: Vec<Need>,
    /// The namespace, where the object names one.
    pub namespace: Option<String>,
    /// The objects that the cluster has, if it was asked.
    pub findings: Vec<Finding>,
}

/// A destination of a sidecar, explained.
#[derive(Debug, PartialEq, Eq)]
pub struct ExplainedDestination {
    /// Its name; the first one has none.
    pub name: Option<String>,
    /// Where Prometheus writes what is for it.
    pub remote_write_url: String,
    /// Each setting with its value and its source.
    pub settings: Vec<Setting>,
}

/// A setting and where it comes from.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// An annotation's short name, a profile's key, or a variable.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// The origin of the value.
    pub source: Origin,
}

/// Who gives a setting its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The pod.
    Annotation,
    /// The profile that the pod chose.
    Profile,
    /// The webhook's configuration, apart from profiles.
    Configuration,
    /// The program itself, or Azure's cloud.
    Default,
    /// The rest of the pod: its grace period, its mesh, its resources and quality of
    /// service, the other amount of a pair, or what the webhook of
    /// azure-workload-identity wrote.
    Pod,
}

impl Explanation {
    /// Whether the pod would be denied, or could not start in the cluster that
    /// was asked.
    pub fn is_bad(&self) -> bool {
        matches!(self.outcome.decision, Decision::Deny(_))
            || self.findings.iter().any(|finding| matches!(finding.fit, Fit::Bad(_)))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Annotation => "annotation",
            Self::Profile => "profile",
            Self::Configuration => "configuration",
            Self::Default => "default",
            Self::Pod => "pod",
        })
    }
}

/// Explains every pod and pod template in `text`.
///
/// # Errors
/// Where a document is no YAML.
pub fn explain(file: &ConfigFile, text: &str) -> Result<Vec<Explanation>, ManifestError> {
    let mut explanations = Vec::new();
    for (number, document) in (1..).zip(documents(text)) {
        let value = parse(number, document, document)?;
        for workload in workloads(&value) {
            let mut workload = workload;
            let mut decision = decide(&file.config, Pod::new(&workload.pod));
            if let Some((provided, hint)) = provided(file, &workload.pod, &decision) {
                decision = provided;
                workload.hints.push(hint);
            }
            let pod = Pod::new(&workload.pod);
            let decision = super::reviewed(file, workload.namespace.as_deref(), decision);
            let (destinations, needs) = match &decision {
                Decision::Inject(injection) => {
                    let effective = &injection.effective;
                    (settings::destinations(file, pod, effective), needs::needs(effective, pod))
                }
                Decision::Repair(_) | Decision::Skip(_) | Decision::Deny(_) => {
                    (Vec::new(), Vec::new())
                }
            };
            let namespace = workload.namespace.clone();
            let outcome = super::outcome(file, number, workload, decision);
            let findings = Vec::new();
            explanations.push(Explanation { outcome, destinations, needs, namespace, findings });
        }
    }
    Ok(explanations)
}

/// What happens to a pod that is denied for want of what azure-workload-identity's
/// webhook writes into it, and what that depends on: the pod asks for it by its label.
pub(super) fn provided(
    file: &ConfigFile,
    pod: &Value,
    alone: &Decision,
) -> Option<(Decision, String)> {
    let is_labelled = Pod::new(pod).label(identity_webhook::LABEL) == Some("true");
    if !is_labelled || !matches!(alone, Decision::Deny(_)) {
        return None;
    }
    let provided = identity_webhook::provided(pod);
    let decision = decide(&file.config, Pod::new(&provided));
    let is_injected = matches!(decision, Decision::Inject(_));
    is_injected.then(|| (decision, "its client or its tenant has to come from azure-workload-identity, whose webhook writes it into the pod first, for the label azure.workload.identity/use: without that webhook the pod is denied".to_owned()))
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outcome.fmt(f)?;
        let settings = self.destinations.iter().flat_map(|destination| &destination.settings);
        let width = settings.map(|setting| setting.name.len()).max().unwrap_or(0);
        for ExplainedDestination { name, remote_write_url, settings } in &self.destinations {
            if self.destinations.len() > 1 {
                let name = name.as_deref().unwrap_or("without a name");
                writeln!(f, "  destination {name}: remote_write.url is {remote_write_url}")?;
            }
            for Setting { name, value, source } in settings {
                writeln!(f, "  {source:<13}  {name:<width$}  {value}")?;
            }
        }
        for Finding { object, fit } in &self.findings {
            match fit {
                Fit::Good => writeln!(f, "  cluster        ok       {object}")?,
                Fit::Doubtful(why) => writeln!(f, "  cluster        warning  {object} {why}")?,
                Fit::Bad(why) => writeln!(f, "  cluster        wrong    {object} {why}")?,
            }
        }
        Ok(())
    }
}

/// The object, the decision, and a line for each warning and hint.
impl fmt::Display for ReviewedPod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = String::new();
        match &self.decision {
            Decision::Inject(_) => writeln!(lines, "gets a sidecar")?,
            Decision::Repair(_) => writeln!(lines, "has a sidecar, which is repaired")?,
            Decision::Skip(skip) => writeln!(lines, "is unchanged: {}", skip.reason)?,
            Decision::Deny(denial) => writeln!(lines, "is denied: {}", denial.message)?,
        }
        for warning in self.decision.warnings() {
            writeln!(lines, "  warning: {warning}")?;
        }
        for hint in &self.hints {
            writeln!(lines, "  hint: {hint}")?;
        }
        write!(f, "document {}: {} {lines}", self.number, self.subject)
    }
}
