//! The response: our own type, in which the patch is base64, as the protocol has it, and
//! `status` is sent on a denial only.

use std::borrow::Cow;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;

use super::{API_VERSION, KIND};
use crate::{
    decide::{Decision, Denial, DenyReason, SkipReason},
    patch::Add,
};

/// The usual size of a patch, so that its memory is allocated at once.
const USUAL_PATCH_BYTES: usize = 4 << 10;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

/// Without the patch, which [`answer`] adds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_annotations: Option<Audit<'a>>,
}

#[derive(Serialize)]
struct Status<'a> {
    code: u16,
    reason: &'static str,
    message: &'a str,
}

/// What the audit log says about the decision.
#[derive(Serialize)]
struct Audit<'a> {
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Cow<'a, str>>,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<&'a str>,
}

/// The answer to the review `uid`, as it is sent. The patch comes last and as it is, since
/// base64 has nothing that JSON would escape.
pub(super) fn answer(uid: &str, decision: &Decision, patch: Option<&[Add]>) -> String {
    const END: &str = "}}";
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
        status,
        warnings: decision.warnings(),
        audit_annotations: audit(decision),
    };
    let answer = Answer { api_version: API_VERSION, kind: KIND, response };
    let mut body = serde_json::to_string(&answer).unwrap_or_default();
    if let Some(patch) = patch {
        body.truncate(body.len().saturating_sub(END.len()));
        body.reserve(2 * patch.len());
        body.push_str(",\"patch\":\"");
        BASE64_STANDARD.encode_string(patch, &mut body);
        body.push('"');
        body.push_str(END);
    }
    body
}

fn status(denial: &Denial) -> Status<'_> {
    let (code, reason) = match denial.reason {
        DenyReason::BadAnnotations => (400, "BadRequest"),
        DenyReason::ForeignContainer | DenyReason::PortTaken | DenyReason::WindowsPod => {
            (403, "Forbidden")
        }
    };
    Status { code, reason, message: &denial.message }
}

/// Nothing is written to the audit log about pods that did not ask.
fn audit(decision: &Decision) -> Option<Audit<'_>> {
    if let Decision::Skip(skip) = decision
        && matches!(skip.reason, SkipReason::NotAPodCreation | SkipReason::NotAskedFor)
    {
        return None;
    }
    let effective = match decision {
        Decision::Inject(injection) => Some(&injection.effective),
        Decision::Repair(_) | Decision::Skip(_) | Decision::Deny(_) => None,
    };
    Some(Audit {
        decision: decision.word(),
        profile: effective.map(|effective| effective.profiles()),
        reason: decision.reason(),
        settings: effective.map(|effective| effective.fingerprint.as_str()),
    })
}
