//! An API server that reaches pods. On a control plane without nodes there is neither
//! a pod network nor a kubelet: this passes everything on to it but the metrics of
//! pods, which it gets from the pod's port on loopback, and commands in their
//! containers, for which it runs one program.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::SinkExt as _;
use hyper_util::rt::TokioIo;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{client::Client, control_plane::ControlPlane, failure::Outcome, process::Program};
use tokio::net::TcpListener;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};

/// The sidecar bounds its check by 30 s.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// In front of an API server.
pub(super) struct PodNetwork {
    /// For programs that are to go through it.
    pub(super) kubeconfig: PathBuf,
    _folder: TempDir,
}

impl PodNetwork {
    /// With the program that each command in a container is.
    pub(super) async fn start(plane: &ControlPlane, command: Program) -> Self {
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
            let command = command.clone();
            async move { answer(&server, &client, command, request).await.into_response() }
        });
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { kubeconfig, _folder: folder }
    }
}

async fn answer(server: &str, client: &Client, command: Program, request: Request) -> Response {
    if request.uri().path().ends_with("/exec") {
        return exec(command, request);
    }
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

/// Standard output, standard error and the end of a command, as messages that begin
/// with the number of their stream.
///
/// `staging/src/k8s.io/apimachinery/pkg/util/remotecommand/constants.go` in
/// <https://github.com/kubernetes/kubernetes>
fn exec(command: Program, request: Request) -> Response {
    const OUTPUT: u8 = 1;
    const STATUS: u8 = 3;
    let key = derive_accept_key(request.headers()[header::SEC_WEBSOCKET_KEY].as_bytes());
    let offered = request.headers()[header::SEC_WEBSOCKET_PROTOCOL].to_str().unwrap();
    let protocol = offered.split(',').next().unwrap().trim().to_owned();
    tokio::spawn(async move {
        let upgraded = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await;
        let mut process = command.start().unwrap();
        let code = process.wait(ENDS_WITHIN).await.unwrap().code().unwrap();
        let status = match code {
            0 => json!({"status": "Success"}),
            _ => json!({"status": "Failure", "reason": "NonZeroExitCode"}),
        };
        for (stream, text) in [(OUTPUT, process.stdout()), (STATUS, status.to_string())] {
            let message = [&[stream], text.as_bytes()].concat();
            socket.send(Message::binary(message)).await.unwrap();
        }
        socket.close(None).await.unwrap();
    });
    let headers = [
        (header::CONNECTION, "upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_ACCEPT, &key),
        (header::SEC_WEBSOCKET_PROTOCOL, &protocol),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers.map(|(name, value)| (name, value.to_owned())))
        .into_response()
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
