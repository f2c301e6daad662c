//! What the webhook adds to the creation of a pod, on a real API server.

use std::time::{Duration, Instant};

use ::tests::{
    failure::{Context, Failure, Outcome},
    keys::secret,
    kubernetes::control_plane::{Availability, ControlPlane},
    product::webhook::Webhook,
    scene::Scene,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use contract::annotations::{INJECT, INJECTED};
use k8s_openapi::api::{
    admissionregistration::v1::MutatingWebhookConfiguration,
    core::v1::{Namespace, Pod, ServiceAccount},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{reviews, spread::Spread};

/// Milliseconds from the request that creates a pod to its answer.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Creation {
    pub(crate) without: Spread,
    pub(crate) with: Spread,
    /// The latter less the former, pair by pair.
    pub(crate) added: Spread,
}

/// Pods of each kind.
const PODS: usize = 60;
/// The API server learns of a new webhook within a second or two.
const EFFECTIVE_WITHIN: Duration = Duration::from_secs(30);

/// Creates the same pods in two namespaces, in turn; the webhook is called for
/// one of them. `None`, with the reason, where there is no control plane.
pub(crate) async fn measure(scene: &Scene, webhook: &Webhook) -> Outcome<Result<Creation, String>> {
    let plane = match ControlPlane::shared().await? {
        Availability::Running(plane) => plane,
        Availability::Missing(reason) => return Ok(Err(reason)),
    };
    let client = plane.client().await?;
    let (plain, injected) = (namespace(&client).await?, namespace(&client).await?);
    call_for(&client, webhook, &injected).await?;
    let pod = pod(scene)?;
    wait_until_injected(&client, &injected, &pod).await?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..PODS {
        without.push(create(&client, &plain, &pod, false).await?);
        with.push(create(&client, &injected, &pod, true).await?);
    }
    let added = with.iter().zip(&without).map(|(with, without)| with - without);
    let none = || "measure pods";
    Ok(Ok(Creation {
        added: Spread::of(added).context(none())?,
        without: Spread::of(without).context(none())?,
        with: Spread::of(with).context(none())?,
    }))
}

/// A new namespace that can hold pods.
async fn namespace(client: &Client) -> Outcome<String> {
    let name = format!("bench-{}", secret::uuid());
    let object = object(json!({"metadata": {"name": name}}))?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.create(&PostParams::default(), &object).await.context("make a namespace")?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &name);
    let begun = Instant::now();
    while accounts.get_opt("default").await.ok().flatten().is_none() {
        in_time(begun, "a service account")?;
        sleep(Duration::from_millis(20)).await;
    }
    Ok(name)
}

/// Registers the webhook for pods of a namespace that ask, as the chart does.
async fn call_for(client: &Client, webhook: &Webhook, namespace: &str) -> Outcome<()> {
    let authority = BASE64_STANDARD.encode(webhook.certificate().authority()?);
    let condition =
        format!("has(object.metadata.annotations) && '{INJECT}' in object.metadata.annotations");
    let configuration: MutatingWebhookConfiguration = object(json!({
        "metadata": {"name": namespace},
        "webhooks": [{
            "name": "pods.inject.prom-remotewrite",
            "clientConfig": {"url": webhook.url(), "caBundle": authority},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "reinvocationPolicy": "IfNeeded",
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            "matchConditions": [{"name": "opted-in", "expression": condition}],
        }],
    }))?;
    let configurations = Api::all(client.clone());
    let made = configurations.create(&PostParams::default(), &configuration).await;
    made.map(|_| ()).context("register the webhook")
}

/// The Prometheus pod as its controller would create it here.
fn pod(scene: &Scene) -> Outcome<Pod> {
    let mut pod = Scene::pod(&scene.identity, reviews::PORT)?;
    let annotations = pod.pointer("/metadata/annotations").cloned().unwrap_or_default();
    let labels = pod.pointer("/metadata/labels").cloned().unwrap_or_default();
    let top = pod.as_object_mut().context("read the pod")?;
    top.remove("status");
    let metadata = json!({"generateName": "bench-", "annotations": annotations, "labels": labels});
    top.insert("metadata".to_owned(), metadata);
    let spec = top.get_mut("spec").and_then(Value::as_object_mut).context("read the pod")?;
    spec.remove("serviceAccount");
    spec.remove("nodeName");
    spec.insert("serviceAccountName".to_owned(), json!("default"));
    object(pod)
}

async fn wait_until_injected(client: &Client, namespace: &str, pod: &Pod) -> Outcome<()> {
    let begun = Instant::now();
    while create(client, namespace, pod, true).await.is_err() {
        in_time(begun, "the webhook's first pod")?;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Creates a pod, checks whether it got its sidecar, and deletes it; returns
/// the milliseconds that the first of these took.
async fn create(client: &Client, namespace: &str, pod: &Pod, injected: bool) -> Outcome<f64> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let begun = Instant::now();
    let made = pods.create(&PostParams::default(), pod).await.context("create a pod")?;
    let took = begun.elapsed();
    let now = DeleteParams::default().grace_period(0);
    pods.delete(&made.name_any(), &now).await.context("delete a pod")?;
    if made.annotations().contains_key(INJECTED) != injected {
        return Err(Failure::new(format!("a pod in {namespace} has a sidecar: {}", !injected)));
    }
    Ok(took.as_secs_f64() * 1e3)
}

fn object<T: DeserializeOwned>(value: Value) -> Outcome<T> {
    serde_json::from_value(value).context("describe an object")
}

fn in_time(begun: Instant, what: &str) -> Outcome<()> {
    let soon = begun.elapsed() < EFFECTIVE_WITHIN;
    soon.then_some(()).context(format!("wait longer for {what}"))
}
