use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use tests::{
    azure::{Fault, Principal, Service},
    client::Reply,
};

use super::Scene;

const RESOURCE: &str = "resource=https%3A%2F%2Fmonitor.azure.com%2F";

async fn ask(scene: &Scene, query: &str, headers: &[(&str, &str)]) -> Reply {
    let url = format!("{}/metadata/identity/oauth2/token?{query}", scene.azure.metadata_host());
    scene.client.call(Method::GET, &url, headers, Bytes::new()).await.unwrap()
}

async fn token(scene: &Scene, query: &str) -> Value {
    let reply = ask(scene, query, &[("metadata", "true")]).await;
    reply.successful().unwrap().json().unwrap()
}

#[tokio::test]
async fn it_answers_as_the_real_one_does() {
    let scene = Scene::new().await;
    let id = &scene.identity.client_id;
    let query = format!("api-version=2018-02-01&{RESOURCE}&client_id={id}");
    let first = token(&scene, &query).await;
    assert_eq!(first["client_id"], **id);
    assert_eq!(first["resource"], "https://monitor.azure.com/");
    assert_eq!(first["token_type"], "Bearer");
    for number in ["expires_in", "expires_on", "ext_expires_in", "not_before"] {
        let text = first[number].as_str().unwrap_or_else(|| panic!("{number} is not a text"));
        assert!(text.parse::<u64>().unwrap() > 0);
    }

    let again = token(&scene, &query).await;
    assert_eq!(again["access_token"], first["access_token"], "it hands out its cached token");
    scene.azure.clock().advance(Duration::from_mins(72));
    let later = token(&scene, &query).await;
    assert_ne!(later["access_token"], first["access_token"], "until shortly before its end");
}

#[tokio::test]
async fn it_refuses_what_the_real_one_refuses() {
    let scene = Scene::new().await;
    let id = &scene.identity.client_id;
    let good = format!("api-version=2019-08-01&{RESOURCE}&client_id={id}");
    let metadata = ("metadata", "true");
    let stranger = Principal::new().client_id;
    for (why, query, headers) in [
        ("no metadata header", good.clone(), vec![]),
        ("a forwarded request", good.clone(), vec![metadata, ("x-forwarded-for", "10.0.0.1")]),
        ("no version", format!("{RESOURCE}&client_id={id}"), vec![metadata]),
        ("an old version", good.replace("2019", "2017"), vec![metadata]),
        ("no version's form", good.replace("2019-08-01", "latest"), vec![metadata]),
        ("no resource", format!("api-version=2019-08-01&client_id={id}"), vec![metadata]),
        ("an unknown resource", good.replace("monitor", "monito"), vec![metadata]),
        ("an identity not assigned", good.replace(id, &stranger), vec![metadata]),
    ] {
        let reply = ask(&scene, &query, &headers).await;
        assert_eq!(reply.status, 400, "{why}: {}", reply.text());
        let body: Value = reply.json().unwrap();
        assert!(body["error"].is_string() && body["error_description"].is_string(), "{why}");
    }
    assert_eq!(scene.azure.tokens().count(), 0);
}

#[tokio::test]
async fn without_an_id_there_must_be_one_answer() {
    let scene = Scene::new().await;
    let query = format!("api-version=2019-08-01&{RESOURCE}");
    let only = token(&scene, &query).await;
    assert_eq!(only["client_id"], *scene.identity.client_id);

    scene.azure.change(|setup| setup.identities.push(Principal::new()));
    let ambiguous = ask(&scene, &query, &[("metadata", "true")]).await;
    assert_eq!(ambiguous.status, 400);

    let system = Principal::new();
    scene.azure.change(|setup| setup.system_identity = Some(system.clone()));
    assert_eq!(token(&scene, &query).await["client_id"], *system.client_id);
}

#[tokio::test]
async fn faults_come_in_their_order_and_end() {
    let scene = Scene::new().await;
    let faults = scene.azure.faults(Service::Imds);
    faults.push(Fault::status(410).header("retry-after", "1").body("gone"));
    faults.push_times(2, &Fault::status(429));
    let query = format!("api-version=2019-08-01&{RESOURCE}");
    let mut seen = Vec::new();
    for _ in 0..4 {
        let reply = ask(&scene, &query, &[("metadata", "true")]).await;
        if seen.is_empty() {
            assert_eq!(reply.headers["retry-after"], "1");
            assert_eq!(reply.text(), "gone");
        }
        seen.push(reply.status.as_u16());
    }
    assert_eq!(seen, [410, 429, 429, 200]);
    let logged: Vec<_> =
        scene.azure.requests(Service::Imds).iter().map(|one| one.status.unwrap()).collect();
    assert_eq!(logged, seen);
}
