//! The control plane is real.

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api, Client, Config,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;

use crate::cluster::control_plane;

#[tokio::test]
async fn pods_are_admitted_and_stay_pending() {
    let Some(plane) = control_plane("pods_are_admitted_and_stay_pending").await else { return };
    let client = plane.client().await.unwrap();
    let pods: Api<Pod> = Api::namespaced(client.clone(), "default");
    let pod = json!({
        "metadata": {"generateName": "some-"},
        "spec": {"containers": [{"name": "c", "image": "nothing"}]},
    });
    let pod: Pod = serde_json::from_value(pod).unwrap();
    let made = pods.create(&PostParams::default(), &pod).await.unwrap();
    // The service account admission plugin has been there.
    let volumes = made.spec.unwrap().volumes.unwrap();
    assert!(volumes[0].name.starts_with("kube-api-access-"));
    assert_eq!(made.status.unwrap().phase.as_deref(), Some("Pending"));
}

#[tokio::test]
async fn a_service_account_may_do_nothing_by_itself() {
    let Some(plane) = control_plane("a_service_account_may_do_nothing_by_itself").await else {
        return;
    };
    let kubeconfig = plane.kubeconfig_of("default", "default").await.unwrap();
    let read = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap();
    let client = Client::try_from(config).unwrap();
    let error = Api::<Namespace>::all(client).get("default").await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("system:serviceaccount:default:default"), "{text}");
}
