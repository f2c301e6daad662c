//! The admin port: plain HTTP, for anyone who looks after a cluster's stand-in.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /health`, `GET /ready` | the process lives; it knows the cluster's keys |
//! | `GET /status` | what was stored and refused, in numbers |
//! | `GET /samples/RULE/FROM/TO` | every sample of those times, milliseconds since 1970 |
//! | `PUT /faults/SERVICE`, `DELETE` | makes `imds`, `entra` or `ingestion` misbehave, or stops that |
//! | `POST`, `PUT /applications/CLIENT/certificates` | registers the certificates of a PEM text, besides the others or in their place |
//! | `PUT /lifetime` | for how many seconds tokens are valid from now on |
//! | `POST /revoke` | takes back every token |

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post, put},
};
use tests::azure::{Azure, Report, Service};

use super::{
    faults::Order,
    registration::certificates,
    status::{self, Status},
};

/// What requests work on.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) azure: Arc<Azure>,
    pub(crate) ready: Arc<AtomicBool>,
}

type Refused = (StatusCode, String);

/// Every path.
pub(crate) fn router(admin: Admin) -> Router {
    Router::new()
        .route("/health", get(|| async { "alive\n" }))
        .route("/ready", get(ready))
        .route("/status", get(async |State(admin): State<Admin>| numbers(&admin)))
        .route("/samples/{rule}/{from}/{to}", get(samples))
        .route("/faults/{service}", put(misbehave).delete(behave))
        .route("/applications/{client}/certificates", post(add).put(replace))
        .route("/lifetime", put(lifetime))
        .route(
            "/revoke",
            post(async |State(admin): State<Admin>| admin.azure.tokens().revoke_all()),
        )
        .with_state(admin)
}

fn numbers(admin: &Admin) -> Json<Status> {
    Json(status::now(&admin.azure))
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    if admin.ready.load(Ordering::Relaxed) {
        return (StatusCode::OK, "ready\n");
    }
    (StatusCode::SERVICE_UNAVAILABLE, "the cluster's keys are not known yet\n")
}

async fn samples(
    State(admin): State<Admin>,
    Path((rule, from, to)): Path<(String, i64, i64)>,
) -> Json<Report> {
    let report = |workspace: &_| Report::of(workspace, from..=to);
    Json(admin.azure.workspace(&rule, report))
}

fn service(named: &str) -> Result<Service, Refused> {
    let found = Service::ALL.into_iter().find(|service| status::name(*service) == named);
    found.ok_or_else(|| {
        (StatusCode::NOT_FOUND, format!("no service {named}: expected imds, entra or ingestion\n"))
    })
}

async fn misbehave(
    State(admin): State<Admin>,
    Path(named): Path<String>,
    Json(order): Json<Order>,
) -> Result<StatusCode, Refused> {
    let faults = admin.azure.faults(service(&named)?);
    let fault = order.fault().map_err(|text| (StatusCode::BAD_REQUEST, format!("{text}\n")))?;
    match order.times {
        Some(times) => faults.push_times(times, &fault),
        None => faults.always(fault),
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn behave(
    State(admin): State<Admin>,
    Path(named): Path<String>,
) -> Result<StatusCode, Refused> {
    admin.azure.faults(service(&named)?).clear();
    Ok(StatusCode::NO_CONTENT)
}

async fn add(
    State(admin): State<Admin>,
    Path(client): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    register(&admin, &client, &body, Vec::extend)
}

async fn replace(
    State(admin): State<Admin>,
    Path(client): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    register(&admin, &client, &body, |known, read| *known = read)
}

fn register(
    admin: &Admin,
    client: &str,
    pem: &[u8],
    merge: fn(&mut Vec<Vec<u8>>, Vec<Vec<u8>>),
) -> Result<StatusCode, Refused> {
    let read =
        certificates(pem).map_err(|failure| (StatusCode::BAD_REQUEST, format!("{failure}\n")))?;
    let mut known = false;
    admin.azure.change(|setup| {
        let mut all = setup.applications.iter_mut();
        if let Some(found) = all.find(|one| one.principal.client_id == client) {
            known = true;
            merge(&mut found.certificates, read);
        }
    });
    if known {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err((StatusCode::NOT_FOUND, format!("no application {client}\n")))
}

async fn lifetime(State(admin): State<Admin>, text: String) -> Result<StatusCode, Refused> {
    let seconds = text.trim().parse().map_err(|_| {
        (StatusCode::BAD_REQUEST, format!("'{}' is no number of seconds\n", text.trim()))
    })?;
    admin.azure.issue_tokens_for(Duration::from_secs(seconds));
    Ok(StatusCode::NO_CONTENT)
}
