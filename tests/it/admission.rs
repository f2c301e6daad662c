//! Admission end to end: the real webhook over TLS, its patch applied.

use std::{fs, path::PathBuf};

use json_patch::PatchOperation;
use serde_json::{Value, json};
use tests::{
    machine::environment,
    product::webhook::{IssuedCertificate, Webhook},
    scene::{self, Scene},
};

/// A port that is free in the pod; no one listens on it here.
const PORT: u16 = 18_081;

async fn webhook(scene: &Scene) -> Webhook {
    let certificate = IssuedCertificate::new("localhost").await.unwrap();
    Webhook::start(certificate, &scene.configuration()).await.unwrap()
}

/// Compares the whole pod with the file of this name; with `UPDATE_EXPECT=1`
/// the file is written instead.
fn check(name: &str, pod: &Value, scene: &Scene) {
    let file: PathBuf = [env!("CARGO_MANIFEST_DIR"), "data", name].iter().collect();
    let text = format!("{pod:#}\n");
    let text = [
        (scene.azure.ingestion_url("RULE").split_once("/dataC").unwrap().0, "https://INGESTION"),
        (scene.azure.authority_host(), "https://AUTHORITY"),
        (scene.azure.metadata_host(), "http://IMDS"),
        (&scene.azure.tenant(), "TENANT"),
        (concat!("version=", env!("CARGO_PKG_VERSION")), "version=VERSION"),
        (&scene.identity.rule, "RULE"),
        (&scene.application.rule, "RULE"),
        (&scene.identity.principal.client_id, "CLIENT"),
        (&scene.application.principal.client_id, "CLIENT"),
    ]
    .iter()
    .fold(text, |text, (varying, name)| text.replace(varying, name));
    let settings = text.find("settings=").unwrap() + "settings=".len();
    let end = settings + text[settings..].find('"').unwrap();
    let text = format!("{}HASH{}", &text[..settings], &text[end..]);
    if environment::variable("UPDATE_EXPECT").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap();
    if text != expected {
        let differs = text.lines().zip(expected.lines()).find(|(one, other)| one != other);
        panic!("{name} differs, first at {differs:#?}; see the change with UPDATE_EXPECT=1");
    }
}

#[tokio::test]
async fn a_pod_that_asks_gets_its_sidecar_once() {
    let scene = Scene::new().await.unwrap();
    let webhook = webhook(&scene).await;
    for role in scene.roles() {
        let pod = Scene::pod(role, PORT).unwrap();
        let admitted = webhook.create(&pod).await.unwrap();
        assert!(admitted.allowed, "{}", admitted.message);
        assert_eq!(admitted.warnings, Vec::<String>::new());
        let only_adds = |operation: &PatchOperation| matches!(operation, PatchOperation::Add(_));
        assert!(admitted.patch.iter().all(only_adds), "{:#?}", admitted.patch);
        check(&format!("admitted-{}.json", role.profile), &admitted.pod, &scene);

        let again = webhook.create(&admitted.pod).await.unwrap();
        assert!(again.allowed);
        assert!(again.patch.is_empty(), "{:#?}", again.patch);
        assert_eq!(again.pod, admitted.pod);
    }
}

#[tokio::test]
async fn a_pod_that_does_not_ask_stays_as_it_is() {
    let scene = Scene::new().await.unwrap();
    let webhook = webhook(&scene).await;
    let pod = scene::prometheus_pod().unwrap();
    let admitted = webhook.create(&pod).await.unwrap();
    assert!(admitted.allowed && admitted.patch.is_empty());
}

#[tokio::test]
async fn a_pod_that_asks_wrongly_is_denied_with_every_reason() {
    let scene = Scene::new().await.unwrap();
    let webhook = webhook(&scene).await;
    for (annotations, parts) in [
        (
            json!({"listning-port": "1", "client-id": "nobody", "cloud": "Azur"}),
            vec!["listning-port", "listening-port", "client-id", "nobody", "cloud", "Azur"],
        ),
        (
            json!({"ingestion-url": "https://evil.example/dataCollectionRules/x"}),
            vec!["ingestion-url", "evil.example"],
        ),
    ] {
        let mut pod = Scene::pod(&scene.identity, PORT).unwrap();
        for (name, value) in annotations.as_object().unwrap() {
            pod["metadata"]["annotations"][format!("prom-remotewrite/{name}")] = value.clone();
        }
        let admitted = webhook.create(&pod).await.unwrap();
        assert!(!admitted.allowed && admitted.patch.is_empty());
        assert_eq!(admitted.pod, pod);
        for part in parts {
            assert!(admitted.message.contains(part), "{part}: {}", admitted.message);
        }
    }
}
