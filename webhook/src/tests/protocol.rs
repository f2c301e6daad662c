//! Requests and answers, through the router that `main` serves.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower_service::Service as _;

use super::{config, prometheus, small};
use crate::{
    metrics::Metrics,
    serve::{
        bodies::{Bodies, MAX_BODY_BYTES},
        routes::{Shared, routes},
    },
};

fn shared() -> Arc<Shared> {
    let config = ArcSwap::from_pointee(config());
    let (config_hash, bodies) = (ArcSwap::default(), Bodies::default());
    Arc::new(Shared { config, config_hash, bodies, metrics: Metrics::default() })
}

fn review(object: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "monitoring",
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:statefulset-controller"},
            "object": object,
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    })
}

async fn send(shared: &Arc<Shared>, request: Request<Body>) -> (StatusCode, Vec<u8>) {
    let answer = routes(shared.clone()).call(request).await.unwrap();
    let status = answer.status();
    (status, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
}

fn post(body: impl Into<Body>) -> Request<Body> {
    let builder = Request::post("/mutate").header(header::CONTENT_TYPE, "application/json");
    builder.body(body.into()).unwrap()
}

async fn ask(review: &Value) -> Value {
    let (status, body) = send(&shared(), post(review.to_string())).await;
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    assert_eq!(answer["response"]["uid"], review["request"]["uid"]);
    answer["response"].clone()
}

/// What the API server does with an answer: patch and type come together, the
/// patch is base64 of a JSON Patch.
fn apply(response: &Value, object: &Value) -> Value {
    assert_eq!(response["patchType"], "JSONPatch");
    let bytes = BASE64_STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&bytes).unwrap();
    let mut patched = object.clone();
    json_patch::patch(&mut patched, &patch).unwrap();
    patched
}

#[tokio::test]
async fn an_injection_is_a_patch_and_nothing_is_said_about_status() {
    let pod = prometheus(&[("inject", "true")]);
    let response = ask(&review(&pod)).await;
    assert_eq!(response["allowed"], true);
    assert!(response.get("status").is_none(), "{response}");
    assert_eq!(
        response["auditAnnotations"]["profile"], "default",
        "the audit log says what was done"
    );
    let patched = apply(&response, &pod);
    let again = ask(&review(&patched)).await;
    assert_eq!(again["allowed"], true);
    assert!(again.get("patch").is_none() && again.get("patchType").is_none(), "{again}");
}

#[tokio::test]
async fn unannotated_pods_get_the_shortest_response() {
    let uid = json!({"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": true});
    assert_eq!(ask(&review(&prometheus(&[]))).await, uid);
    let check = async |path: &str, value: Value| {
        let mut review = review(&prometheus(&[("inject", "true")]));
        *review.pointer_mut(&format!("/request/{path}")).unwrap() = value;
        assert_eq!(ask(&review).await, uid, "{path}");
    };
    check("operation", json!("UPDATE")).await;
    check("operation", json!("DELETE")).await;
    check("operation", json!(null)).await;
    check("resource/resource", json!("deployments")).await;
    check("resource/group", json!("apps")).await;
    check("resource/version", json!("v2")).await;
    check("object", json!(null)).await;
    check("object", json!("pod")).await;
    let mut subresource = review(&prometheus(&[("inject", "true")]));
    subresource["request"]["subResource"] = json!("ephemeralcontainers");
    assert_eq!(ask(&subresource).await, uid);
}

#[tokio::test]
async fn a_denial_has_a_status_and_no_patch() {
    let pod = prometheus(&[("inject", "true"), ("client-id", "x"), ("lisening-port", "1")]);
    let response = ask(&review(&pod)).await;
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["code"], 400);
    let message = response["status"]["message"].as_str().unwrap();
    assert_eq!(
        message,
        "cannot inject the remote-write sidecar: 2 errors: prom-remotewrite/client-id=\"x\": expected a GUID such as 00001111-aaaa-2222-bbbb-3333cccc4444; prom-remotewrite/lisening-port=\"…\": expected an annotation that exists (did you mean \"prom-remotewrite/listening-port\"?)"
    );
    assert!(response.get("patch").is_none());
}

#[tokio::test]
async fn oddities_of_a_request_are_no_reason_to_fail() {
    let mut odd = review(&prometheus(&[("inject", "true")]));
    let request = odd["request"].as_object_mut().unwrap();
    request.retain(|name, _| matches!(name.as_str(), "uid" | "resource" | "operation" | "object"));
    request.insert("dryRun".into(), Value::Null);
    request.insert("fromTheFuture".into(), json!({"a": [1]}));
    assert!(ask(&odd).await["patch"].is_string());
    let mut equivalent = review(&prometheus(&[("inject", "true")]));
    equivalent["request"]["requestKind"] = json!({"group": "x", "version": "v9", "kind": "Pod"});
    assert!(ask(&equivalent).await["patch"].is_string());
}

#[tokio::test]
async fn requests_that_are_not_reviews_get_an_http_error() {
    let shared = shared();
    let check = async |request: Request<Body>, status: StatusCode, text: &str| {
        let (got, body) = send(&shared, request).await;
        let body = String::from_utf8(body).unwrap();
        assert_eq!(got, status, "{body}");
        assert!(body.contains(text), "{body}");
    };
    let mut old = review(&prometheus(&[]));
    old["apiVersion"] = json!("admission.k8s.io/v1beta1");
    check(post(old.to_string()), StatusCode::BAD_REQUEST, "list v1 in admissionReviewVersions")
        .await;
    check(post(""), StatusCode::BAD_REQUEST, "read the body as JSON").await;
    check(post("{"), StatusCode::BAD_REQUEST, "read the body as JSON").await;
    check(post("[".repeat(100_000)), StatusCode::BAD_REQUEST, "read the body as JSON").await;
    check(post("null"), StatusCode::BAD_REQUEST, "expected kind AdmissionReview").await;
    let mut anonymous = review(&prometheus(&[]));
    anonymous["request"]["uid"] = json!("");
    check(post(anonymous.to_string()), StatusCode::BAD_REQUEST, "no request.uid").await;
    anonymous["request"] = json!([]);
    check(post(anonymous.to_string()), StatusCode::BAD_REQUEST, "no request").await;
    let listless = small(&json!({"spec": {"volumes": {}}}));
    check(post(review(&listless).to_string()), StatusCode::BAD_REQUEST, "/spec/volumes").await;
    let plain = Request::post("/mutate").body(Body::from("{}")).unwrap();
    check(plain, StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/json").await;
    let get = Request::builder().method(Method::GET).uri("/mutate").body(Body::empty()).unwrap();
    check(get, StatusCode::METHOD_NOT_ALLOWED, "").await;
    let elsewhere = Request::post("/").body(Body::empty()).unwrap();
    check(elsewhere, StatusCode::NOT_FOUND, "").await;
    let large = vec![b' '; MAX_BODY_BYTES + 1];
    check(post(large), StatusCode::PAYLOAD_TOO_LARGE, "").await;
    let text = shared.metrics.encode();
    assert!(text.contains(r#"refused_requests_total{code="413"} 1"#), "{text}");
}

#[tokio::test]
async fn a_review_of_three_mebibytes_is_answered() {
    let mut pod = prometheus(&[("inject", "true")]);
    pod["metadata"]["annotations"]["example.com/large"] = json!("\"".repeat(1_500_000));
    assert!(ask(&review(&pod)).await["patch"].is_string());
}

#[tokio::test]
async fn reviews_are_counted_by_decision_and_reason() {
    let shared = shared();
    for annotations in [&[("inject", "true")][..], &[("inject", "false")], &[("inject", "ture")]] {
        send(&shared, post(review(&prometheus(annotations)).to_string())).await;
    }
    let text = shared.metrics.encode();
    for line in [
        r#"reviews_total{decision="inject",reason="asked_for"} 1"#,
        r#"reviews_total{decision="skip",reason="opted_out"} 1"#,
        r#"reviews_total{decision="deny",reason="bad_annotations"} 1"#,
        "patch_failures_total 0",
        "review_duration_seconds_count 3",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let endless = Body::new(Endless);
    let shared = shared();
    assert_eq!(send(&shared, post(endless)).await.0, StatusCode::REQUEST_TIMEOUT);
    assert!(shared.metrics.encode().contains(r#"refused_requests_total{code="408"} 1"#));
}

/// A body of which nothing comes.
struct Endless;

impl axum::body::HttpBody for Endless {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Pending
    }
}
