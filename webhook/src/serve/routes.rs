//! HTTP in front of the review: path, method, content type, size.
//!
//! Requests that are not reviews get an HTTP error, and the API server's failure policy
//! decides; a review always gets its uid back.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::time::Instant;

use super::{
    bodies::{Bodies, BodyError},
    with_cause,
};
use crate::{
    config::Config,
    decide::{Decision, RepairReason},
    metrics::Metrics,
    review::{self, Answered, ReviewError},
};

/// Where the API server posts reviews.
pub const MUTATE_PATH: &str = "/mutate";

/// The content type of reviews and responses.
const JSON: &str = "application/json";
/// No API server waits longer than this for an answer; anyone who still sends a body then
/// only holds a connection.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The shared state of all requests.
#[derive(Debug)]
pub struct Shared {
    /// The configuration in use.
    pub config: ArcSwap<Config>,
    /// The hash of its text.
    pub config_hash: ArcSwap<String>,
    /// The bodies that are arriving.
    pub bodies: Bodies,
    /// The counters.
    pub metrics: Metrics,
}

/// The webhook's routes.
pub fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(MUTATE_PATH, post(mutate))
        .layer(middleware::from_fn_with_state(shared.clone(), within_time))
        .with_state(shared)
}

async fn within_time(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => refuse(&shared, StatusCode::REQUEST_TIMEOUT, "the body took too long".to_owned()),
    }
}

async fn mutate(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    if !is_json(request.headers()) {
        let text = "expected content-type application/json".to_owned();
        return refuse(&shared, StatusCode::UNSUPPORTED_MEDIA_TYPE, text);
    }
    let body = match shared.bodies.receive(request.into_body()).await {
        Ok(body) => body,
        Err(error) => return refuse_body(&shared, &error),
    };
    let started = Instant::now();
    let config = shared.config.load_full();
    match review::answer(&config, &body) {
        Ok(answered) => {
            record(&shared, &answered, started.elapsed());
            ([(header::CONTENT_TYPE, JSON)], answered.body).into_response()
        }
        Err(error) => refuse_review(&shared, &error),
    }
}

fn refuse_body(shared: &Shared, error: &BodyError) -> Response {
    let text = with_cause(error);
    if !matches!(error, BodyError::Broken(_)) && shared.bodies.refusals.is_due() {
        tracing::warn!(
            error = text,
            "rejected a body: if this continues, something floods this port (webhook.clientCA in the chart admits API servers only)"
        );
    }
    match error {
        BodyError::TooLarge => refuse(shared, StatusCode::PAYLOAD_TOO_LARGE, text),
        BodyError::Broken(_) => refuse(shared, StatusCode::BAD_REQUEST, text),
        // An API server then retries, within the time it has.
        BodyError::GivenUp => {
            let answer = refuse(shared, StatusCode::SERVICE_UNAVAILABLE, text);
            ([(header::RETRY_AFTER, "1")], answer).into_response()
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(JSON))
}

fn refuse_review(shared: &Shared, error: &ReviewError) -> Response {
    let text = with_cause(error);
    if error.is_ours() {
        shared.metrics.patch_failed();
        tracing::error!(error = text, "own patch does not apply: please report this");
        refuse(shared, StatusCode::INTERNAL_SERVER_ERROR, text)
    } else {
        tracing::warn!(error = text, "a request was not an AdmissionReview");
        let is_too_heavy = matches!(error, ReviewError::TooHeavy(_));
        let status =
            if is_too_heavy { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
        refuse(shared, status, text)
    }
}

fn refuse(shared: &Shared, status: StatusCode, text: String) -> Response {
    shared.metrics.refused(status.as_u16());
    (status, text).into_response()
}

/// One line for each pod that asked; none for the others.
fn record(shared: &Shared, answered: &Answered, took: Duration) {
    let (decision, subject) = (&answered.decision, &answered.subject);
    shared.metrics.reviewed(decision.word(), decision.reason(), took);
    let (namespace, pod, owner) = (&subject.namespace, &subject.name, &subject.owner);
    let (reason, dry_run) = (decision.reason(), subject.dry_run);
    match decision {
        Decision::Inject(injection) => tracing::info!(
            namespace,
            pod,
            owner,
            dry_run,
            profile = injection.effective.profiles().as_ref(),
            settings = injection.effective.fingerprint,
            warnings = injection.warnings.len(),
            "injected"
        ),
        Decision::Repair(repair) => match repair.reason {
            RepairReason::Incomplete => tracing::warn!(
                namespace,
                pod,
                owner,
                dry_run,
                "repaired: another webhook removes fields that it does not know"
            ),
            RepairReason::BehindMesh => tracing::info!(
                namespace,
                pod,
                owner,
                dry_run,
                "its probes are commands: a mesh's injector was called after this webhook"
            ),
            RepairReason::NoRoom => tracing::info!(
                namespace,
                pod,
                owner,
                dry_run,
                "it requests 0: another webhook has added a container, which uses up the pod-level requests"
            ),
        },
        Decision::Deny(denial) => {
            tracing::warn!(namespace, pod, owner, dry_run, reason, why = denial.message, "denied");
        }
        Decision::Skip(_) => tracing::debug!(namespace, pod, owner, dry_run, reason, "skipped"),
    }
}
