//! An API server that reaches pods. On a control plane without nodes there is no pod
//! network: this passes everything on to it but the metrics of pods, which it gets
//! from the pod's port on loopback.

use std::{fs, path::PathBuf, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{client::Client, control_plane::ControlPlane, failure::Outcome};
use tokio::net::TcpListener;

/// In front of an API server.
pub(super) struct PodNetwork {
    /// For programs that are to go through it.
    pub(super) kubeconfig: PathBuf,
    _folder: TempDir,
}

impl PodNetwork {
    pub(super) async fn start(plane: &ControlPlane) -> Self {
        let text = fs::read_to_string(plane.kubeconfig()).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        let cluster = &mut config["clusters"][0]["cluster"];
        let mut roots = RootCertStore::empty();
        let authority = cluster["certificate-authority"].as_str().unwrap();
        for certificate in CertificateDer::pem_file_iter(authority).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        *cluster = json!({"server": address});
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        fs::write(&kubeconfig, config.to_string()).unwrap();
        let (server, client) = (Arc::new(plane.server().to_owned()), Client::new(roots));
        let router = Router::new().fallback(move |request| {
            let (server, client) = (Arc::clone(&server), client.clone());
            async move { answer(&server, &client, request).await.into_response() }
        });
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { kubeconfig, _folder: folder }
    }
}

async fn answer(server: &str, client: &Client, request: Request) -> Response {
    let passed = match pods_port(request.uri().path()) {
        Some(port) => client.get(&format!("http://127.0.0.1:{port}/metrics")).await,
        None => pass_on(server, client, request).await,
    };
    match passed {
        Ok(reply) => (reply.status, reply.body).into_response(),
        Err(failure) => (StatusCode::BAD_GATEWAY, failure.to_string()).into_response(),
    }
}

/// `…/pods/NAME:PORT/proxy/metrics`.
fn pods_port(path: &str) -> Option<&str> {
    path.strip_suffix("/proxy/metrics")?.rsplit_once(':').map(|(_, port)| port)
}

async fn pass_on(server: &str, client: &Client, request: Request) -> Outcome<tests::client::Reply> {
    let (parts, body) = request.into_parts();
    let url = format!("{server}{}", parts.uri);
    let kept = [header::AUTHORIZATION, header::ACCEPT];
    let headers: Vec<(&str, &str)> = kept
        .iter()
        .filter_map(|name| Some((name.as_str(), parts.headers.get(name)?.to_str().ok()?)))
        .collect();
    let body: Bytes = to_bytes(Body::new(body), usize::MAX).await.unwrap();
    client.call(parts.method, &url, &headers, body).await
}
