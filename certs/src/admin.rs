//! The listener for the kubelet and Prometheus: `/health`, `/ready`, `/metrics`
//! over plain HTTP.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore};

use crate::rotate::status::Status;

/// The content type of prometheus-client's output.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// A kubelet and some scrapers; each connection takes a few kilobytes.
const CONNECTIONS: usize = 16;
/// For a request's head; a kept connection that is idle for so long is closed.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// A failed accept, for example without free file descriptors, is tried again.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);

/// Answers until it is dropped.
pub async fn serve(listener: TcpListener, status: Arc<Status>) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = places.clone().acquire_owned().await;
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_RETRY).await;
            continue;
        };
        let status = status.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = answer(&request, &status);
                async { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_LIMIT)
                .serve_connection(TokioIo::new(stream), service);
            // Whoever breaks off does not want an answer.
            let _ended = connection.await;
            drop(place);
        });
    }
}

fn answer(request: &Request<Incoming>, status: &Status) -> Response<Full<Bytes>> {
    let is = |holds: bool, yes: &'static str, no: &'static str| {
        if holds {
            (StatusCode::OK, yes.into())
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, no.into())
        }
    };
    let (code, text): (StatusCode, String) = match request.uri().path() {
        "/health" => is(status.is_alive(), "ok\n", "the loop is stuck\n"),
        "/ready" => is(status.is_ready(), "ready\n", "the certificate is not up to date\n"),
        "/metrics" => (StatusCode::OK, status.metrics()),
        _ => (StatusCode::NOT_FOUND, "not found: request /health, /ready or /metrics\n".into()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = code;
    if request.uri().path() == "/metrics" {
        let value = http::HeaderValue::from_static(OPEN_METRICS);
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    response
}
