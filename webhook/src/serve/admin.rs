//! The admin listener, plain HTTP for the kubelet and Prometheus: `/health`,
//! `/ready`, `/metrics`; and for people's tools `/config`, the configuration in use by
//! its hash and where reviews are taken, and `/certificate`, the chain in use in PEM,
//! which every TLS client sees.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{Json, Router, extract::State, http::StatusCode, http::header, routing::get};

use super::{routes::Shared, tls::Tls};
use crate::VERSION;

/// The content type of prometheus-client's output.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether new requests are welcome, and if not, why.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<Condition>>);

#[derive(Debug, Default)]
struct Condition {
    is_running: bool,
    lacking: Vec<String>,
}

impl Readiness {
    /// Whether the program has started and is not about to end.
    pub fn set(&self, is_running: bool) {
        self.lock().is_running = is_running;
    }

    /// Nothing can be served without this. Where there is nothing, it can.
    pub fn waits_for(&self, lacking: Vec<String>) {
        self.lock().lacking = lacking;
    }

    /// The answer of `/ready`.
    fn answer(&self) -> (StatusCode, String) {
        let condition = self.lock();
        if !condition.is_running {
            let text = "shutting down or not started\n".to_owned();
            return (StatusCode::SERVICE_UNAVAILABLE, text);
        }
        if condition.lacking.is_empty() {
            return (StatusCode::OK, "ready\n".to_owned());
        }
        (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", condition.lacking.join("\n")))
    }

    fn lock(&self) -> MutexGuard<'_, Condition> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The admin routes of a webhook that takes reviews at `port`.
pub fn routes(shared: Arc<Shared>, ready: Readiness, tls: Arc<Tls>, port: u16) -> Router {
    let has_client_ca = tls.has_client_ca();
    let used = shared.clone();
    let config = move || async move { config(&used, port, has_client_ca) };
    let readiness = move || async move { ready.answer() };
    let certificate = move || async move { tls.chain().ok_or(StatusCode::SERVICE_UNAVAILABLE) };
    Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(readiness))
        .route("/metrics", get(metrics))
        .route("/config", get(config))
        .route("/certificate", get(certificate))
        .with_state(shared)
}

async fn metrics(
    State(shared): State<Arc<Shared>>,
) -> ([(header::HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], shared.metrics.encode())
}

/// Which program decides by which configuration, all that a decision depends on; and
/// at which port, and whether clients need a certificate.
fn config(shared: &Shared, port: u16, has_client_ca: bool) -> Json<serde_json::Value> {
    let hash = shared.config_hash.load_full();
    Json(serde_json::json!({
        "version": VERSION,
        "sha256": *hash,
        "port": port,
        "clientCertificate": has_client_ca,
    }))
}
