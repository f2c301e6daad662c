//! A mutating webhook of the tests' own, which does what its path requests.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Json, Router, extract::Path, routing::post};
use base64::{Engine, prelude::BASE64_STANDARD};
use certs::{
    issue::{Request, issue},
    pair::Pem,
};
use contract::annotations::{INJECTED, PREFIX};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Map, Value, json};
use tests::machine::clock::Clock;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::{
    objects::{self, text},
    trial::Trial,
};

/// Fields of containers that a program with the types of Kubernetes 1.26 does not know. Some
/// webhooks read a pod into their types and write it again, as azure-workload-identity's did
/// until August 2026 (its pull request 1759).
const NEW_FIELDS: [&str; 3] = ["restartPolicy", "restartPolicyRules", "resizePolicy"];

/// A webhook that does what the path requests: adds a container or an annotation, removes
/// a container, drops fields that old types do not know, or sets resources.
pub(super) struct Neighbour {
    address: String,
    authority: String,
    pub(super) calls: Arc<AtomicUsize>,
}

impl Neighbour {
    pub(super) async fn start() -> Self {
        let request = Request {
            dns_names: vec!["localhost".to_owned()],
            addresses: Vec::new(),
            lifetime: "1d".parse().unwrap(),
        };
        let pem = issue(&request, Clock::default().now()).unwrap().into_pem();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let calls = Arc::new(AtomicUsize::default());
        let counted = calls.clone();
        let answer = move |Path((what, name)): Path<(String, String)>,
                           Json(review): Json<Value>| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move { Json(answer(&what, &name, &review)) }
        };
        let router = Router::new().route("/{what}/{name}", post(answer));
        let acceptor = acceptor(&pem);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = TowerToHyperService::new(router);
                    let builder = Builder::new(TokioExecutor::new());
                    let _ended = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, authority: pem.ca, calls }
    }

    /// Has the API server ask it about pods of `namespace`. Configurations are
    /// asked in the order of their names.
    pub(super) async fn register(&self, trial: &Trial, name: &str, path: &str) {
        self.register_with(trial, name, path, "IfNeeded").await;
    }

    /// The same with this reinvocation policy.
    pub(super) async fn register_with(&self, trial: &Trial, name: &str, path: &str, policy: &str) {
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [{
                "name": "neighbour.example.com",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "reinvocationPolicy": policy,
                "clientConfig": {
                    "url": format!("{}{path}", self.address),
                    "caBundle": BASE64_STANDARD.encode(&self.authority),
                },
                "rules": [{
                    "operations": ["CREATE"],
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "resources": ["pods"],
                }],
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": trial.namespace},
                },
            }],
        });
        objects::apply(&trial.client, &configuration).await.unwrap();
    }
}

fn acceptor(pem: &Pem) -> TlsAcceptor {
    let chain = CertificateDer::pem_slice_iter(pem.certificate.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(pem.key.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()))
}

fn answer(what: &str, name: &str, review: &Value) -> Value {
    let pod = &review["request"]["object"];
    let containers = pod["spec"]["containers"].as_array().unwrap();
    let there = containers.iter().any(|container| text(container, "/name") == name);
    let patch = match what {
        "container" if there => json!([]),
        "container" => {
            let mut container = containers[0].clone();
            container["name"] = json!(name);
            container["ports"] = json!([]);
            json!([{"op": "add", "path": "/spec/containers/-", "value": container}])
        }
        "strip" => json!(
            places(pod, name)
                .map(|(list, index)| {
                    json!({"op": "remove", "path": format!("/spec/{list}/{index}/restartPolicy")})
                })
                .filter(|remove| pod.pointer(remove["path"].as_str().unwrap()).is_some())
                .collect::<Vec<_>>()
        ),
        "old" => json!(forgotten(pod)),
        "unmark" => annotated(pod, |all| drop(all.remove(INJECTED))),
        "resources" => json!(
            containers_of(pod)
                .map(|(path, _)| {
                    json!({"op": "add", "path": format!("{path}/resources"), "value": recommended()})
                })
                .collect::<Vec<_>>()
        ),
        "remove" => json!(
            places(pod, name)
                .map(
                    |(list, index)| json!({"op": "remove", "path": format!("/spec/{list}/{index}")})
                )
                .collect::<Vec<_>>()
        ),
        _ => annotated(pod, |all| drop(all.insert(format!("{PREFIX}{name}"), json!("true")))),
    };
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {
            "uid": review["request"]["uid"],
            "allowed": true,
            "patchType": "JSONPatch",
            "patch": BASE64_STANDARD.encode(patch.to_string()),
        },
    })
}

/// Whatever annotations there are, changed.
fn annotated(pod: &Value, change: impl FnOnce(&mut Map<String, Value>)) -> Value {
    let mut all = pod["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    change(&mut all);
    json!([{"op": "add", "path": "/metadata/annotations", "value": all}])
}

/// Requests and limits as a Vertical Pod Autoscaler sets them.
pub(super) fn recommended() -> Value {
    json!({
        "requests": {"cpu": "25m", "memory": "262144k"},
        "limits": {"cpu": "50m", "memory": "500Mi"},
    })
}

/// The pod's own resources, and the new fields of all its containers, removed.
fn forgotten(pod: &Value) -> Vec<Value> {
    let own = pod.pointer("/spec/resources").map(|_| "/spec/resources".to_owned());
    let of_containers = containers_of(pod).flat_map(|(path, container)| {
        let known = NEW_FIELDS.into_iter().filter(|field| container.get(*field).is_some());
        known.map(|field| format!("{path}/{field}")).collect::<Vec<_>>()
    });
    own.into_iter().chain(of_containers).map(|path| json!({"op": "remove", "path": path})).collect()
}

/// Every container, with its path.
fn containers_of(pod: &Value) -> impl Iterator<Item = (String, &Value)> {
    ["initContainers", "containers"].into_iter().flat_map(move |list| {
        let all = pod["spec"][list].as_array().into_iter().flatten().enumerate();
        all.map(move |(index, one)| (format!("/spec/{list}/{index}"), one))
    })
}

/// Where containers of this name are: the list, and the place in it.
fn places<'a>(pod: &'a Value, name: &'a str) -> impl Iterator<Item = (&'static str, usize)> + 'a {
    ["initContainers", "containers"].into_iter().flat_map(move |list| {
        let all = pod["spec"][list].as_array().into_iter().flatten().enumerate();
        all.filter(move |(_, one)| text(one, "/name") == name).map(move |(index, _)| (list, index))
    })
}
