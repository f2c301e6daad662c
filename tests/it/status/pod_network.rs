//! An API server that reaches pods. On a control plane without nodes there is neither
//! a pod network nor a kubelet: this passes everything on to it but requests to
//! pods, which go to the pod's port on loopback, and commands in their containers, for
//! which it runs one program. Whether the caller may do these, the API server is asked.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
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
use tests::{
    client::Client, failure::Outcome, kubernetes::control_plane::ControlPlane,
    machine::process::Program,
};
use tokio::net::TcpListener;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};

/// The sidecar bounds its check by 30 s.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// In front of an API server.
pub(super) struct PodNetwork {
    /// For programs that are to go through it, as the administrator.
    pub(super) kubeconfig: PathBuf,
    address: String,
    folder: TempDir,
}

impl PodNetwork {
    /// With the program that each command in a container is.
    pub(super) async fn start(plane: &ControlPlane, command: Program) -> Self {
        let mut roots = RootCertStore::empty();
        let config = read(plane.kubeconfig());
        let authority = config["clusters"][0]["cluster"]["certificate-authority"].as_str().unwrap();
        for certificate in CertificateDer::pem_file_iter(authority).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (server, client) = (Arc::new(plane.server().to_owned()), Client::new(roots));
        let router = Router::new().fallback(move |request| {
            let (server, client) = (Arc::clone(&server), client.clone());
            let command = command.clone();
            async move { answer(&server, &client, command, request).await.into_response() }
        });
        tokio::spawn(async { axum::serve(listener, router).await });
        let network =
            Self { kubeconfig: PathBuf::new(), address, folder: tempfile::tempdir().unwrap() };
        Self { kubeconfig: network.through(plane.kubeconfig()), ..network }
    }

    /// A kubeconfig of the API server, as one that goes through this.
    pub(super) fn through(&self, kubeconfig: &Path) -> PathBuf {
        let mut config = read(kubeconfig);
        config["clusters"][0]["cluster"] = json!({"server": self.address});
        let file = self.folder.path().join(kubeconfig.file_name().unwrap());
        fs::write(&file, config.to_string()).unwrap();
        file
    }
}

fn read(kubeconfig: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(kubeconfig).unwrap()).unwrap()
}

async fn answer(server: &str, client: &Client, command: Program, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let Some(asked) = PodRequest::of(&path) else {
        return match pass_on(server, client, request).await {
            Ok(reply) => (reply.status, reply.body).into_response(),
            Err(failure) => (StatusCode::BAD_GATEWAY, failure.to_string()).into_response(),
        };
    };
    for verb in asked.verbs() {
        if !asked.may(server, client, request.headers(), verb).await {
            let message = format!("may not {verb} {}", asked.subresource);
            let status =
                json!({"kind": "Status", "status": "Failure", "code": 403, "message": message});
            return (StatusCode::FORBIDDEN, status.to_string()).into_response();
        }
    }
    if asked.subresource == "exec" {
        return exec(command, request);
    }
    match client.get(&format!("http://127.0.0.1:{}/{}", asked.port, asked.rest)).await {
        Ok(reply) => (reply.status, reply.body).into_response(),
        Err(failure) => (StatusCode::BAD_GATEWAY, failure.to_string()).into_response(),
    }
}

/// `/api/v1/namespaces/NAMESPACE/pods/NAME:PORT/SUBRESOURCE/REST`.
struct PodRequest<'a> {
    namespace: &'a str,
    name: &'a str,
    port: &'a str,
    subresource: &'a str,
    rest: &'a str,
}

impl<'a> PodRequest<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix("/api/v1/namespaces/")?.splitn(5, '/').collect();
        let [namespace, "pods", pod, subresource @ ("proxy" | "exec"), rest @ ..] =
            parts.as_slice()
        else {
            return None;
        };
        let (name, port) = pod.split_once(':').unwrap_or((pod, ""));
        let rest = rest.first().copied().unwrap_or_default();
        Some(Self { namespace, name, port, subresource, rest })
    }

    /// Those that an API server asks its authorizer about. For a command over a
    /// WebSocket that depends on its version: `AuthorizePodWebsocketUpgradeCreatePermission`.
    fn verbs(&self) -> &'static [&'static str] {
        if self.subresource == "exec" { &["get", "create"] } else { &["get"] }
    }

    /// Whether anyone who sends these headers may, by the API server's own word.
    async fn may(&self, server: &str, client: &Client, headers: &HeaderMap, verb: &str) -> bool {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "namespace": self.namespace, "name": self.name, "verb": verb,
                "resource": "pods", "subresource": self.subresource,
            }},
        });
        let url = format!("{server}/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
        let token = headers[header::AUTHORIZATION].to_str().unwrap();
        let headers = [("authorization", token), ("content-type", "application/json")];
        let body = Bytes::from(review.to_string());
        let reply = client.call(Method::POST, &url, &headers, body).await.unwrap();
        let review: Value = serde_json::from_slice(&reply.body).unwrap();
        review["status"]["allowed"] == true
    }
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
