//! Whether API servers trust the webhook.

use std::path::Path;

use k8s_openapi::ByteString;
use kube::{
    Client,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;
use tests::{
    product::webhook::{IssuedCertificate, Webhook},
    scene::Scene,
};

use super::{BROKEN, RELEASE, runs, status};
use crate::chart::{
    objects::{self, text},
    trial,
};

/// A CA bundle is held against what the webhook serves with.
pub(super) async fn trusted(kubeconfig: &Path, client: &Client, scene: &Scene) {
    let name = format!("{0}.{0}.svc", RELEASE.1);
    let certificate = IssuedCertificate::new(&name).await.unwrap();
    let (own, other) =
        (certificate.authority().unwrap(), IssuedCertificate::new(&name).await.unwrap());
    let webhook = Webhook::start(certificate, &scene.configuration()).await.unwrap();
    let port: u16 = webhook.metrics_address().rsplit(':').next().unwrap().parse().unwrap();
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": RELEASE.1},
    });
    let deployment = objects::api(client, &deployment).get(RELEASE.1).await.unwrap();
    let mut replica = trial::pod(RELEASE.1, "replica", &[]);
    replica["metadata"]["labels"] = deployment.data["spec"]["selector"]["matchLabels"].clone();
    replica["spec"]["containers"][0]["ports"] = json!([{"name": "admin", "containerPort": port}]);
    objects::create(client, &replica).await.unwrap();
    runs(client, &replica, &json!({})).await;
    for (bundle, expected) in
        [(other.authority().unwrap(), Some("another CA issued it")), (own, None)]
    {
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
        });
        let configurations = objects::api(client, &configuration);
        let mut webhooks = configurations.get(RELEASE.0).await.unwrap().data["webhooks"].clone();
        webhooks[0]["clientConfig"]["caBundle"] = json!(ByteString(bundle.into_bytes()));
        let patch = Patch::Merge(json!({"webhooks": webhooks}));
        configurations.patch(RELEASE.0, &PatchParams::default(), &patch).await.unwrap();
        let (_, overview) = status(kubeconfig, &[]).await;
        let problems = overview["problems"].as_array().unwrap();
        let (kind, object) = BROKEN[0];
        let found = problems
            .iter()
            .find(|one| text(one, "/kind") == kind && text(one, "/object") == object);
        match expected {
            Some(words) => {
                assert!(text(found.unwrap(), "/message").contains(words), "{problems:#?}");
            }
            None => assert_eq!(found, None),
        }
    }
    objects::api(client, &replica)
        .delete("replica", &DeleteParams::default().grace_period(0))
        .await
        .unwrap();
}
