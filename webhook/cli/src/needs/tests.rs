use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use http::{Request, Response, StatusCode};
use kube::client::Body;
use serde_json::json;
use webhook::decide::{Decision, decide};

use super::*;
use crate::{
    manifests::explain::explain,
    tests::{config, prometheus},
};

fn needs_of(annotations: &[(&str, &str)]) -> Vec<Need> {
    let pod = prometheus(&[&[("inject", "true")], annotations].concat());
    let Decision::Inject(injection) = decide(&config(), Pod::new(&pod)) else {
        panic!("{annotations:?}")
    };
    let mut needs = needs(&injection.effective, Pod::new(&pod));
    let pull = needs.pop().unwrap();
    assert_eq!((pull.kind, pull.name.as_str()), (Kind::PullSecret, "registry"));
    needs
}

#[test]
fn each_identity_needs_its_own() {
    let check = |annotations: &[(&str, &str)], expected: &[(Kind, &str, &[&str])]| {
        let needs = needs_of(annotations);
        let found: Vec<(Kind, &str, Vec<&str>)> = needs
            .iter()
            .map(|need| {
                (need.kind, need.name.as_str(), need.expected.iter().map(String::as_str).collect())
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(kind, name, expected)| (*kind, *name, expected.to_vec()))
            .collect();
        assert_eq!(found, expected);
    };
    check(&[], &[]);
    let class = (Kind::SecretProviderClass, "azure-kvname-user-msi");
    check(&[("profile", "application")], &[(class.0, class.1, &["prom-remotewrite-cert"])]);
    let secret = (Kind::Secret, "prom-remotewrite-pfx");
    check(&[("profile", "secret")], &[(secret.0, secret.1, &["certificate.pfx"])]);
    check(
        &[("profile", "application"), ("certificate-secret", "own")],
        &[(Kind::Secret, "own", &["tls.crt", "tls.key"])],
    );
    check(
        &[("profile", "federated")],
        &[(
            Kind::ServiceAccount,
            "kps-kube-prometheus-stack-prometheus",
            &["22223333-cccc-4444-dddd-5555eeee6666"],
        )],
    );
    check(&[("profile", "stack")], &[(Kind::ConfigMap, "private-roots", &["ca.crt"])]);
    check(
        &[("profile", "stack,tenants,secret")],
        &[
            (Kind::SecretProviderClass, "azure-kvname-tenants", &["tenants-cert"]),
            (secret.0, secret.1, &["certificate.pfx"]),
            (Kind::ConfigMap, "private-roots", &["ca.crt"]),
        ],
    );
}

/// The class of Microsoft's documentation, with another object.
fn class(object: &str) -> Value {
    json!({"spec": {"provider": "azure", "parameters": {
        "keyvaultName": "kv",
        "objects": format!("array:\n  - |\n    objectName: other\n    objectType: key\n  - |\n    {}\n", object.replace('\n', "\n    ")),
    }}})
}

fn says(fit: &Fit, part: &str) {
    let text = match fit {
        Fit::Good => "",
        Fit::Doubtful(text) | Fit::Bad(text) => text,
    };
    assert!(text.contains(part), "{fit:?} lacks {part:?}");
}

#[test]
fn a_class_must_deliver_the_file() {
    let needs = needs_of(&[("profile", "application")]);
    let judge = |object: &str| needs[0].judge(Some(&class(object)));
    let name = "prom-remotewrite-cert";
    assert_eq!(judge(&format!("objectName: {name}\nobjectType: secret")), Fit::Good);
    let alias = format!("objectName: x\nobjectAlias: {name}\nobjectType: secret");
    assert_eq!(judge(&alias), Fit::Good);
    let hidden = format!("objectName: {name}\nobjectAlias: x\nobjectType: secret");
    says(&judge(&hidden), "has no file \"prom-remotewrite-cert\", but other, x");
    let close = judge("objectName: prom-remotewrite-crt\nobjectType: secret");
    says(&close, "(did you mean \"prom-remotewrite-crt\"?)");
    let half = judge(&format!("objectName: {name}\nobjectType: cert"));
    says(&half, "a certificate with its key has objectType secret");
    assert!(matches!(half, Fit::Bad(_)));
    says(&needs[0].judge(None), "is not there, or the Secrets Store CSI driver is not installed");
    says(&needs[0].judge(Some(&json!({"spec": {"provider": "vault"}}))), "provider azure");
    let unreadable = json!({"spec": {"provider": "azure", "parameters": {"objects": "["}}});
    says(&needs[0].judge(Some(&unreadable)), "has no readable");
    says(&needs[0].judge(Some(&json!("?"))), "provider azure");
}

#[test]
fn secrets_and_accounts() {
    let secret = &needs_of(&[("profile", "application"), ("certificate-secret", "own")])[0];
    assert_eq!(secret.judge(Some(&json!({"data": {"tls.crt": "", "tls.key": ""}}))), Fit::Good);
    says(&secret.judge(Some(&json!({"data": {"tls.crt": "c2VjcmV0"}}))), "has no key \"tls.key\"");
    says(&secret.judge(Some(&json!({}))), "but none");
    let account = &needs_of(&[("profile", "federated")])[0];
    assert_eq!(account.judge(Some(&json!({"metadata": {}}))), Fit::Good);
    let other =
        json!({"metadata": {"annotations": {"azure.workload.identity/client-id": "other"}}});
    says(&account.judge(Some(&other)), "client id other; the sidecar uses 2222");
    says(&account.judge(None), "the pod will not be created");
}

/// An API server that has one thing, may not show another, and lacks the rest.
#[derive(Clone)]
struct StandIn;

impl tower_service::Service<Request<Body>> for StandIn {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let failure = |code: u16, message: &str| {
            let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": "x", "code": code});
            (StatusCode::from_u16(code).unwrap(), status)
        };
        let (status, body) = match request.uri().path() {
            "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/monitoring/secretproviderclasses/azure-kvname-user-msi" => {
                (StatusCode::OK, class("objectName: prom-remotewrite-cert\nobjectType: secret"))
            }
            "/api/v1/namespaces/monitoring/secrets/registry" => {
                failure(403, "secrets is forbidden")
            }
            _ => failure(404, "not found"),
        };
        let response = Response::builder().status(status);
        ready(Ok(response.body(Body::from(body.to_string().into_bytes())).unwrap()))
    }
}

#[tokio::test]
async fn a_cluster_is_asked_for_each_need() {
    let client = kube::Client::new(StandIn, "default");
    let pod = prometheus(&[("inject", "true"), ("profile", "application")]);
    let mut explained = explain(&config().into(), &pod.to_string()).unwrap();
    let one = &mut explained[0];
    let namespace = one.namespace.clone().unwrap();
    one.findings = lookup::look(&client, &namespace, &one.needs).await;
    assert!(!one.is_bad());
    let text = one.to_string();
    let (_, findings) = text.split_once("  cluster  ").unwrap();
    assert_eq!(
        findings,
        "      ok       SecretProviderClass monitoring/azure-kvname-user-msi\n  cluster        warning  Secret monitoring/registry could not be looked at: secrets is forbidden\n"
    );
    one.findings = lookup::look(&client, "elsewhere", &one.needs).await;
    assert!(one.is_bad());
    assert!(one.to_string().contains("wrong    SecretProviderClass elsewhere/"), "{one}");
}
