//! Plays the API server towards a mutating webhook: sends a review, checks the
//! answer as the API server does, applies the patch.

use base64::{Engine, prelude::BASE64_STANDARD};
use json_patch::Patch;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    client::Client,
    failure::{Context, Failure, Outcome},
    keys::secret,
};

/// What the webhook said about a pod, and what happened to the pod.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Whether the pod may be created.
    pub allowed: bool,
    /// Why not.
    pub message: String,
    /// What `kubectl` would show.
    pub warnings: Vec<String>,
    /// What the audit log would show.
    pub audit: Value,
    /// The patch; empty where there is none.
    pub patch: Patch,
    /// The pod with the patch applied.
    pub pod: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    api_version: String,
    kind: String,
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    uid: String,
    allowed: bool,
    patch: Option<String>,
    patch_type: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    audit_annotations: Value,
    status: Option<Status>,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
}

/// Sends `pod` for review, as an API server does when someone creates it.
pub async fn create(client: &Client, url: &str, pod: &Value) -> Outcome<Admitted> {
    let uid = secret::uuid();
    let review = review(&uid, pod);
    let headers = [("content-type", "application/json"), ("accept", "application/json, */*")];
    let reply = client.post(url, &headers, review.to_string()).await?;
    let answer: Answer = reply.successful()?.json()?;
    judge(&uid, pod, answer)
}

/// The rules of `k8s.io/apiserver/pkg/admission/plugin/webhook/request`,
/// `VerifyAdmissionResponse`, and of the mutating dispatcher.
fn judge(uid: &str, pod: &Value, answer: Answer) -> Outcome<Admitted> {
    let refuse = |what: String| Err(Failure::new(format!("the API server would refuse {what}")));
    let Answer { api_version, kind, response } = answer;
    if (api_version.as_str(), kind.as_str()) != ("admission.k8s.io/v1", "AdmissionReview") {
        return refuse(format!("a {kind} of {api_version}"));
    }
    if response.uid != uid {
        return refuse(format!("an answer for {} to {uid}", response.uid));
    }
    let patch = match (&response.patch, response.patch_type.as_deref()) {
        (Some(text), Some("JSONPatch")) => {
            let bytes = BASE64_STANDARD.decode(text).context("decode the patch")?;
            serde_json::from_slice(&bytes).context("read the patch")?
        }
        (None, None) => Patch::default(),
        (patch, kind) => {
            return refuse(format!("patch {} with patchType {kind:?}", patch.is_some()));
        }
    };
    let mut patched = pod.clone();
    if response.allowed {
        json_patch::patch(&mut patched, &patch).context("apply the webhook's patch")?;
    }
    Ok(Admitted {
        allowed: response.allowed,
        message: response.status.map(|status| status.message).unwrap_or_default(),
        warnings: response.warnings,
        audit: response.audit_annotations,
        patch,
        pod: patched,
    })
}

/// The review of a pod that someone creates, as the API server writes it.
pub fn review(uid: &str, pod: &Value) -> Value {
    let text = |path| pod.pointer(path).cloned().unwrap_or_default();
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "name": text("/metadata/name"),
            "namespace": text("/metadata/namespace"),
            "operation": "CREATE",
            "userInfo": {
                "username": "system:serviceaccount:kube-system:statefulset-controller",
                "groups": ["system:serviceaccounts", "system:authenticated"],
            },
            "object": pod,
            "oldObject": null,
            "dryRun": false,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
        },
    })
}
