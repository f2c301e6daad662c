//! The admission protocol, `admission.k8s.io/v1`: nothing else knows it.
//!
//! Requests are read leniently, because a strict reader turns an API server's small
//! oddities (a `null`, a missing user) into failed admissions.

mod answer;
mod weight;

use json_patch::{AddOperation, Patch, PatchOperation};
use serde_json::Value;

use crate::{
    config::Config,
    decide::{Decision, Skip, SkipReason, decide},
    inject,
    patch::{Add, PatchError, operations, to_patch},
    pod::{Pod, at},
};

/// The one version of the protocol.
const API_VERSION: &str = "admission.k8s.io/v1";
/// Its one kind.
const KIND: &str = "AdmissionReview";

/// Why a review cannot be answered. Without a readable uid no answer of the
/// protocol is possible, so these become HTTP statuses and leave the decision
/// to the API server's failure policy.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The body is no JSON.
    #[error("read the body as JSON")]
    Json(#[source] serde_json::Error),
    /// It would take too much memory.
    #[error(
        "expected a review that needs at most {max} bytes of memory when decoded, this one needs up to {0}",
        max = weight::MAX_BYTES
    )]
    TooHeavy(usize),
    /// It is another kind of object, or another version.
    #[error(
        "expected kind AdmissionReview of admission.k8s.io/v1, got {kind:?} of {version:?}: list v1 in admissionReviewVersions"
    )]
    Version {
        /// Its kind.
        kind: String,
        /// Its version.
        version: String,
    },
    /// It lacks what the protocol demands.
    #[error("the review has no {0}")]
    Missing(&'static str),
    /// The object is not a pod.
    #[error("add to the pod")]
    NoPod(#[source] PatchError),
    /// Our own patch does not apply: a bug of this program.
    #[error("apply the patch to the pod it was made for")]
    Patch(#[source] json_patch::PatchError),
}

impl ReviewError {
    /// Whether it is our fault and not the body's.
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::Patch(_))
    }
}

/// A review, answered.
#[derive(Debug)]
pub struct Answered {
    /// The response's body.
    pub body: String,
    /// The decision.
    pub decision: Decision,
    /// Whose pod it was.
    pub subject: Subject,
}

/// Whose pod it was, for the log.
#[derive(Debug, Default)]
pub struct Subject {
    /// The namespace.
    pub namespace: String,
    /// The pod's name, or what it is generated from.
    pub name: String,
    /// The controller's kind and name, as `kind/name`.
    pub owner: String,
    /// Whether nothing is to be stored.
    pub dry_run: bool,
}

/// Answers the review in `body`.
///
/// # Errors
/// Where the body is not a review that can be answered.
pub fn answer(config: &Config, body: &[u8]) -> Result<Answered, ReviewError> {
    let weight = weight::weight(body);
    if weight > weight::MAX_BYTES {
        return Err(ReviewError::TooHeavy(weight));
    }
    let mut review: Value = serde_json::from_slice(body).map_err(ReviewError::Json)?;
    check_version(&review)?;
    // Out of the review, so that the patch can be tried on it: to copy a pod
    // costs as much as to read it.
    let object = review.get_mut("request").and_then(|request| request.get_mut("object"));
    let mut object = object.map(Value::take).unwrap_or_default();
    let request = review.get("request").filter(|request| request.is_object());
    let request = request.ok_or(ReviewError::Missing("request"))?;
    let uid = text(request, &["uid"]).filter(|uid| !uid.is_empty());
    let uid = uid.ok_or(ReviewError::Missing("request.uid"))?;
    let pod = Pod::new(&object);
    let decision = if creates_a_pod(request) {
        decide(config, pod)
    } else {
        Decision::Skip(Skip::because(SkipReason::NotAPodCreation))
    };
    let subject = subject(request, pod);
    let operations = operations_for(&decision, &mut object)?;
    let body = answer::answer(uid, &decision, operations.as_deref());
    Ok(Answered { body, decision, subject })
}

/// The patch that a decision about `pod` takes, tried on `pod`, which is of no more
/// use then.
///
/// # Errors
/// Where the pod is none, and where the patch does not apply.
pub fn patch_for(decision: &Decision, pod: &mut Value) -> Result<Option<Patch>, ReviewError> {
    Ok(operations_for(decision, pod)?.map(|operations| to_patch(&operations)))
}

fn operations_for(decision: &Decision, pod: &mut Value) -> Result<Option<Vec<Add>>, ReviewError> {
    let additions = match decision {
        Decision::Inject(injection) => inject::additions(&injection.effective, Pod::new(pod)),
        Decision::Repair(repair) => repair.additions.clone(),
        Decision::Skip(_) | Decision::Deny(_) => return Ok(None),
    };
    let operations = operations(pod, additions).map_err(ReviewError::NoPod)?;
    // Whether an addition applies depends on its path alone, and to read what is
    // added costs as much as to make it. Where one volume can be appended, so can the next.
    let mut paths: Vec<_> = operations.iter().map(|Add { path, .. }| path).collect();
    paths.dedup();
    let tried = paths
        .into_iter()
        .map(|path| PatchOperation::Add(AddOperation { path: path.clone(), value: Value::Null }));
    let tried: Vec<_> = tried.collect();
    json_patch::patch_unsafe(pod, &tried).map_err(ReviewError::Patch)?;
    Ok(Some(operations))
}

fn check_version(review: &Value) -> Result<(), ReviewError> {
    let version = text(review, &["apiVersion"]).unwrap_or_default();
    let kind = text(review, &["kind"]).unwrap_or_default();
    if (version, kind) == (API_VERSION, KIND) {
        return Ok(());
    }
    Err(ReviewError::Version { kind: kind.to_owned(), version: version.to_owned() })
}

/// The rules of the webhook's registration already ensure it; a wider registration must
/// not make us touch what we don't understand.
fn creates_a_pod(request: &Value) -> bool {
    let is = |path: &[&str], expected| text(request, path).unwrap_or_default() == expected;
    is(&["operation"], "CREATE")
        && is(&["resource", "group"], "")
        && is(&["resource", "version"], "v1")
        && is(&["resource", "resource"], "pods")
        && is(&["subResource"], "")
}

fn subject(request: &Value, pod: Pod<'_>) -> Subject {
    let owner = pod.owner().map(|(kind, name)| format!("{kind}/{name}"));
    Subject {
        namespace: text(request, &["namespace"]).unwrap_or_default().to_owned(),
        name: text(request, &["name"])
            .filter(|name| !name.is_empty())
            .or_else(|| pod.name())
            .unwrap_or_default()
            .to_owned(),
        owner: owner.unwrap_or_default(),
        dry_run: request.get("dryRun").and_then(Value::as_bool) == Some(true),
    }
}

fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    at(value, path)?.as_str()
}
