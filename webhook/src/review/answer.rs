//! The response: our own type, in which the patch is base64, as the protocol has it, and
//! `status` is sent on a denial only.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;

use super::{API_VERSION, KIND};
use crate::{
    decide::{Decision, Denial, DenyReason, SkipReason},
    patch::Add,
};

/// The usual size of a patch, so that its memory is allocated at once.
const USUAL_PATCH_BYTES: usize = 4 << 10;

/// The answer's envelope.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    api_version: &'static str,
    kind: &'static str,
    response: Response,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    /// The JSON Patch, which [`Answer::into_body`] adds.
    #[serde(skip)]
    patch: Option<Vec<u8>>,
    uid: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<&'static str, String>,
}

impl Answer {
    /// As it is sent. The patch comes last and as it is, since base64 has nothing that
    /// JSON would escape.
    pub fn into_body(self) -> String {
        const END: &str = "}}";
        let mut body = serde_json::to_string(&self).unwrap_or_default();
        if let Some(patch) = &self.response.patch {
            body.truncate(body.len().saturating_sub(END.len()));
            body.reserve(2 * patch.len());
            body.push_str(",\"patch\":\"");
            BASE64_STANDARD.encode_string(patch, &mut body);
            body.push('"');
            body.push_str(END);
        }
        body
    }
}

#[derive(Debug, Serialize)]
struct Status {
    code: u16,
    reason: &'static str,
    message: String,
}

/// The answer to the review `uid`.
pub(super) fn answer(uid: String, decision: &Decision, patch: Option<&[Add]>) -> Answer {
    let patch = patch.and_then(|operations| {
        let mut text = Vec::with_capacity(USUAL_PATCH_BYTES);
        serde_json::to_writer(&mut text, operations).ok().map(|()| text)
    });
    let status = match decision {
        Decision::Deny(denial) => Some(status(denial)),
        Decision::Inject(_) | Decision::Repair(_) | Decision::Skip(_) => None,
    };
    let response = Response {
        uid,
        allowed: status.is_none(),
        patch_type: patch.as_ref().map(|_| "JSONPatch"),
        patch,
        status,
        warnings: decision.warnings().to_vec(),
        audit_annotations: audit(decision),
    };
    Answer { api_version: API_VERSION, kind: KIND, response }
}

fn status(denial: &Denial) -> Status {
    let (code, reason) = match denial.reason {
        DenyReason::BadAnnotations => (400, "BadRequest"),
        DenyReason::ForeignContainer | DenyReason::PortTaken | DenyReason::WindowsPod => {
            (403, "Forbidden")
        }
    };
    Status { code, reason, message: denial.message.clone() }
}

/// Nothing is written to the audit log about pods that did not ask.
fn audit(decision: &Decision) -> BTreeMap<&'static str, String> {
    let silent = matches!(
        decision,
        Decision::Skip(skip) if matches!(skip.reason, SkipReason::NotAPodCreation | SkipReason::NotAskedFor)
    );
    let mut audit = BTreeMap::new();
    if !silent {
        audit.insert("decision", decision.word().to_owned());
        audit.insert("reason", decision.reason().to_owned());
    }
    if let Decision::Inject(injection) = decision {
        audit.insert("profile", injection.effective.profiles().into_owned());
        audit.insert("settings", injection.effective.fingerprint.clone());
    }
    audit
}
