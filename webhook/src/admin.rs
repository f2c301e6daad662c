//! The admin listener, plain HTTP for the kubelet and Prometheus: `/health`,
//! `/ready`, `/metrics`, and `/config`, which tells the configuration in use by its
//! hash.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Json, Router, extract::State, http::StatusCode, http::header, routing::get};

use crate::{VERSION, routes::Shared};

/// What prometheus-client writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether new requests are welcome.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says so, or not.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The admin routes.
pub fn routes(shared: Arc<Shared>, ready: Readiness) -> Router {
    let readiness = move || async move {
        if ready.is_set() {
            (StatusCode::OK, "ready\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "shutting down or not started\n")
        }
    };
    Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(readiness))
        .route("/metrics", get(metrics))
        .route("/config", get(config))
        .with_state(shared)
}

async fn metrics(
    State(shared): State<Arc<Shared>>,
) -> ([(header::HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], shared.metrics.encode())
}

/// Which program decides by which configuration: all that a decision depends on.
async fn config(State(shared): State<Arc<Shared>>) -> Json<serde_json::Value> {
    let hash = shared.config_hash.load_full();
    Json(serde_json::json!({"version": VERSION, "sha256": *hash}))
}
