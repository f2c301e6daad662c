//! The same decision and the same patch without a cluster: for people who keep
//! manifests in a repository, and for finding out why.
//!
//! Text that is not touched stays unchanged, byte for byte; in a document that is
//! touched, lines are inserted and everything else stays.

pub mod explain;
pub(crate) mod language;
#[cfg(test)]
mod tests;

use json_patch::{
    AddOperation, Patch, PatchOperation,
    jsonptr::{PointerBuf, Token},
};
use serde_json::Value;
use webhook::{
    config::{ConfigFile, selection},
    decide::{Decision, Injection, Skip, SkipReason, decide},
    effective::Effective,
    pod::Pod,
    review::{self, ReviewError},
};

use crate::{
    loopback::{self, Loopback},
    policy,
    workloads::{OPERATORS, Workload, workloads},
    yaml::{self, documents, edit},
};

/// Why a text cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A document is no YAML.
    #[error("document {number}: {reason}")]
    Yaml {
        /// Which document, from 1.
        number: usize,
        /// The error, and where it is.
        reason: String,
    },
    /// A pod cannot be patched.
    #[error("document {number}: {subject}: {source}")]
    Patch {
        /// Which document, from 1.
        number: usize,
        /// Which object.
        subject: String,
        /// Why.
        source: ReviewError,
    },
    /// A document cannot be edited in place.
    #[error(
        "document {number}: it cannot be edited in place because of {reason}; add the content of this JSON patch manually:\n{additions}"
    )]
    NotInPlace {
        /// Which document, from 1.
        number: usize,
        /// Why.
        reason: String,
        /// The lines to add, in YAML.
        additions: String,
    },
}

/// The result for one pod or pod template.
#[derive(Debug)]
pub struct ReviewedPod {
    /// Which document, from 1.
    pub number: usize,
    /// Kind, namespace and name.
    pub subject: String,
    /// The decision.
    pub decision: Decision,
    /// Probable errors of its author: one sentence each.
    pub hints: Vec<String>,
}

/// The text with sidecars, and what happened to each pod in it.
#[derive(Debug)]
pub struct Injected {
    /// The whole text.
    pub text: String,
    /// Every pod and pod template with one of our annotations.
    pub outcomes: Vec<ReviewedPod>,
}

impl Injected {
    /// Whether a pod would be denied.
    pub fn has_denials(&self) -> bool {
        self.outcomes.iter().any(|outcome| matches!(outcome.decision, Decision::Deny(_)))
    }
}

/// Injects sidecars into every annotated pod and pod template in `text`.
///
/// # Errors
/// Where a document with our prefix is not YAML or no Kubernetes object.
pub fn inject(file: &ConfigFile, text: &str) -> Result<Injected, ManifestError> {
    let mut injected = Injected { text: String::with_capacity(text.len()), outcomes: Vec::new() };
    for (number, document) in (1..).zip(documents(text)) {
        // Documents without our prefix are not even parsed.
        if document.contains(contract::annotations::PREFIX) {
            let (document, outcomes) = inject_one(file, number, document)?;
            injected.text.push_str(&document);
            injected.outcomes.extend(outcomes);
        } else {
            injected.text.push_str(document);
        }
    }
    Ok(injected)
}

/// Whether `text` has a pod or a pod template, also one that does not ask; an operator's
/// object has none.
pub fn has_pods(text: &str) -> bool {
    let mut values = documents(text).into_iter().filter_map(|document| yaml::read(document).ok());
    values.any(|value| workloads(&value).iter().any(|workload| workload.path.is_some()))
}

/// The hint for a text without pods: its format, where that is known.
pub fn without_pods(text: &str) -> String {
    let of = |document: &str| match yaml::read(document) {
        Ok(Value::String(_)) | Err(_) => language::of(document),
        Ok(object) if !workloads(&object).is_empty() => Some(OPERATORS.to_owned()),
        Ok(object) => language::of_value(&object),
    };
    let what = documents(text).into_iter().find_map(of);
    let chart = || "for a chart, use the output of helm template".to_owned();
    format!("no pod and no pod template found: {}", what.unwrap_or_else(chart))
}

fn inject_one(
    file: &ConfigFile,
    number: usize,
    document: &str,
) -> Result<(String, Vec<ReviewedPod>), ManifestError> {
    let value = parse(number, document, document)?;
    let (mut outcomes, mut operations) = (Vec::new(), Vec::new());
    for workload in workloads(&value) {
        let decision = decide(&file.config, Pod::new(&workload.pod));
        let subject = workload.subject.clone();
        let patch = review::patch_for(&decision, &mut workload.pod.clone().into_owned())
            .map_err(|source| ManifestError::Patch { number, subject, source })?;
        operations.extend(patch.into_iter().flat_map(|patch| below(&workload, patch)));
        outcomes.push(outcome(file, number, workload, decision));
    }
    if operations.is_empty() {
        return Ok((document.to_owned(), outcomes));
    }
    let patch = Patch(operations);
    let text = edit::apply(document, &value, &patch).map_err(|reason| {
        let additions = serde_saphyr::to_string(&patch).unwrap_or_default();
        ManifestError::NotInPlace { number, reason: reason.to_string(), additions }
    })?;
    Ok((text, outcomes))
}

fn outcome(
    file: &ConfigFile,
    number: usize,
    workload: Workload<'_>,
    decision: Decision,
) -> ReviewedPod {
    let mut hints = workload.hints.clone();
    if let Decision::Inject(injection) = &decision {
        let writes = workload.writes.as_ref();
        let unreached = writes.map(|urls| unreached("spec.remoteWrite", urls, injection));
        hints.extend(unreached.into_iter().flatten());
        hints.extend(mesh(&injection.effective));
        if let Some(name) = workload.namespace.filter(|name| is_excluded(file, Some(name))) {
            hints.push(format!("the webhook is not called for pods in namespace {name}"));
        }
    }
    let provided = explain::provided(file, &workload.pod, &decision);
    hints.extend(provided.map(|(_, hint)| format!("{hint}; explain takes them for given, and to have the sidecar written here, write clientId and tenantId into the profile")));
    let is_there = matches!(decision, Decision::Skip(_) | Decision::Repair(_));
    if is_there && policy::is_by_policy(Pod::new(&workload.pod)) {
        hints.push("a policy injected its sidecar, and not the webhook".to_owned());
    }
    ReviewedPod { number, subject: workload.subject, decision, hints }
}

/// Reports a Prometheus that writes elsewhere than to its sidecar's destinations: one
/// sentence for each that is not reached, and for each of the `urls` that none has. They
/// stand at `place`.
pub(crate) fn unreached(place: &str, urls: &[String], injection: &Injection) -> Vec<String> {
    let port = injection.effective.settings.listening_port.get();
    let local: Vec<_> = urls.iter().filter_map(|url| Some((url, loopback::parse(url)?))).collect();
    let paths: Vec<_> =
        injection.effective.destinations().map(|one| (one, one.write_path())).collect();
    let reaches = |to: &Loopback<'_>, path: &str| to.port == port && to.rest == path;
    let is_stray = |to: &Loopback<'_>| !paths.iter().any(|(_, path)| reaches(to, path));
    let mut strays = local.iter().filter(|(_, to)| is_stray(to));
    let mut hints = Vec::new();
    for (destination, path) in &paths {
        if local.iter().any(|(_, to)| reaches(to, path)) {
            continue;
        }
        let url = destination.remote_write_url();
        hints.push(match (strays.next(), destination.name) {
            (Some((other, _)), _) => {
                format!("{place} goes to {other}, where the sidecar does not listen: write {url}")
            }
            (None, Some(name)) => {
                format!("nothing in {place} goes to destination {name}: add {url}")
            }
            (None, None) => {
                format!("nothing in {place} goes to the sidecar: add {url}")
            }
        });
    }
    // Another port is someone else's.
    hints.extend(strays.filter(|(_, to)| to.port == port).map(|(url, _)| {
        format!("{place} goes to {url}, and the sidecar has no such destination: name its profile in prom-remotewrite/profile, or remove it")
    }));
    hints
}

/// Which service mesh the pod shows, and what follows.
fn mesh(effective: &Effective) -> Option<String> {
    let mesh = effective.mesh.as_ref()?;
    let probe = effective.liveness;
    Some(format!(
        "the pod shows the service mesh {} ({}): the sidecar's liveness probe is {probe}",
        mesh.name, mesh.sign
    ))
}

/// Whether the webhook is known not to be asked about pods there.
fn is_excluded(file: &ConfigFile, namespace: Option<&str>) -> bool {
    namespace.is_some_and(|name| selection::is_excluded(name, &file.excluded_namespaces))
}

/// The effect of `decision` in this namespace: the API server does not send all pods to
/// the webhook.
fn reviewed(file: &ConfigFile, namespace: Option<&str>, decision: Decision) -> Decision {
    match decision {
        Decision::Inject(_) | Decision::Repair(_) | Decision::Deny(_)
            if is_excluded(file, namespace) =>
        {
            Decision::Skip(Skip::because(SkipReason::ExcludedNamespace))
        }
        other => other,
    }
}

/// The patch of a pod as a patch of the document that holds it; of one that no
/// document holds, nothing.
fn below(workload: &Workload<'_>, patch: Patch) -> Vec<PatchOperation> {
    let Some(above) = &workload.path else { return Vec::new() };
    let moved = |operation| match operation {
        PatchOperation::Add(AddOperation { path, value }) => {
            let tokens = above.iter().map(Token::new).chain(path.tokens());
            PatchOperation::Add(AddOperation { path: PointerBuf::from_tokens(tokens), value })
        }
        other => other,
    };
    patch.0.into_iter().map(moved).collect()
}

/// Messages of the parser, and what they mean to users.
const PLAIN: [(&str, &str); 5] = [
    ("error: ", ""),
    (", set DuplicateKeyPolicy in Options if acceptable", ""),
    ("non-finite float", "neither JSON nor Kubernetes has the number"),
    // So has it one of Microsoft's own examples, of 2022.
    (
        "tabs disallowed within this context (block indentation)",
        "a tab, but YAML is indented with spaces only",
    ),
    (" rejected by the configured policy", ""),
];

/// The value of a document of `file`.
///
/// # Errors
/// Why it has none, in plain words, and what it may be instead.
pub(crate) fn parse(number: usize, document: &str, file: &str) -> Result<Value, ManifestError> {
    yaml::read(document).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().next().unwrap_or_default().to_owned();
        let reason = PLAIN.iter().fold(reason, |text, (theirs, ours)| text.replace(theirs, ours));
        // A marker may be in the middle of a text in another language.
        let language = language::of(document).or_else(|| language::of(file));
        let language = language.map(|what| format!("; {what}")).unwrap_or_default();
        ManifestError::Yaml { number, reason: format!("{reason}{language}") }
    })
}
