//! The rendered chart, applied for one test: API servers send it the pods of
//! that test's namespaces only, so that tests don't meet.

use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use k8s_openapi::api::core::v1::Event;
use kube::{Api, Client, api::ListParams};
use serde_json::{Value, json};
use tests::kubernetes::control_plane::ControlPlane;
use tokio::time::sleep;

use super::{
    helm::Helm,
    objects::{self, of_kind, text},
    serving::Serving,
};

/// Controllers act within milliseconds, or after some seconds of backing off.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often something is looked at.
const GLANCE: Duration = Duration::from_millis(100);

/// The webhook's configuration for tests: a profile for each identity.
pub(crate) fn config() -> Value {
    let text = include_str!("../../../webhook/testdata/config.yaml");
    let mut config: Value = serde_saphyr::from_str(text).unwrap();
    // The chart says it in `images`.
    config.as_object_mut().unwrap().remove("image");
    config
}

/// The pod that kube-prometheus-stack's `StatefulSet` creates.
fn prometheus() -> Value {
    let text = include_str!("../../../webhook/testdata/kube-prometheus-stack-88.5.3-pod.json");
    serde_json::from_str(text).unwrap()
}

/// The chart on the control plane, and its webhook on loopback.
pub(crate) struct Trial {
    /// An administrator's.
    pub(crate) client: Client,
    /// The API server.
    pub(crate) plane: &'static ControlPlane,
    /// The webhook, started.
    pub(crate) serving: Serving,
    /// Where the chart is installed; Pod Security is enforced as `restricted`.
    pub(crate) namespace: &'static str,
    /// All that the chart rendered.
    pub(crate) rendered: Vec<Value>,
}

impl Trial {
    /// Installs it for pods in `namespace`, which is made, and in `others`.
    pub(crate) async fn new(
        test: &str,
        namespace: &'static str,
        others: &[&str],
        webhook: &Value,
    ) -> Option<Self> {
        let (helm, plane) = Helm::with_control_plane(test).await?;
        let client = plane.client().await.unwrap();
        objects::namespace(&client, namespace, "restricted").await;
        let values = values(namespace, others, webhook);
        let rendered = helm.template((namespace, namespace), &values, &[]).await.unwrap();
        let config = text(of_kind(&rendered, "ConfigMap"), "/data/config.yaml");
        let mut serving = Serving::new(config).await;
        serving.start().await;
        for object in rendered.iter().filter(|object| !objects::is_hook(object)) {
            let object = redirected(object, &serving);
            objects::apply(&client, &object).await.unwrap();
        }
        let trial = Self { client, plane, serving, namespace, rendered };
        trial.until_it_is_asked().await;
        Some(trial)
    }

    /// API servers hear of a new configuration a moment after it is written.
    async fn until_it_is_asked(&self) {
        let wrong = self.pod("wrong", &[("inject", "perhaps")]);
        eventually("API server asks the webhook", async || {
            let error = objects::apply_dry(&self.client, &wrong).await.err()?;
            error.to_string().contains("perhaps").then_some(())
        })
        .await;
    }

    /// A pod of Prometheus with our annotations.
    pub(crate) fn pod(&self, name: &str, annotations: &[(&str, &str)]) -> Value {
        pod(self.namespace, name, annotations)
    }

    /// Makes a `StatefulSet` of one such pod.
    pub(crate) async fn stateful_set(&self, name: &str, annotations: &[(&str, &str)]) {
        let mut template = template(annotations);
        template["metadata"]["labels"] = json!({"app": name});
        let set = json!({
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "replicas": 1,
                "serviceName": name,
                "selector": {"matchLabels": {"app": name}},
                "template": template,
            },
        });
        objects::apply(&self.client, &set).await.unwrap();
    }

    /// The pod of this name, if it is there.
    pub(crate) async fn find(&self, name: &str) -> Option<Value> {
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": self.namespace},
        });
        let found = objects::api(&self.client, &pod).get_opt(name).await.unwrap()?;
        Some(serde_json::to_value(found).unwrap())
    }

    /// The pod of this name, once it is there.
    pub(crate) async fn wait_for(&self, name: &str) -> Value {
        eventually(&format!("pod {name}"), async || self.find(name).await).await
    }

    /// What was said about a `StatefulSet` whose pods can't be created.
    pub(crate) async fn failed_create(&self, name: &str) -> String {
        let events: Api<Event> = Api::namespaced(self.client.clone(), self.namespace);
        eventually(&format!("event about {name}"), async || {
            let all = events.list(&ListParams::default()).await.unwrap();
            all.items.into_iter().find_map(|event| {
                let about = event.involved_object.name.as_deref() == Some(name);
                let failed = event.reason.as_deref() == Some("FailedCreate");
                (about && failed).then(|| event.message.unwrap_or_default())
            })
        })
        .await
    }
}

/// Values under which the chart's objects are this test's alone.
pub(crate) fn values(namespace: &str, others: &[&str], webhook: &Value) -> Value {
    let namespaces = [&[namespace], others].concat();
    let only = json!({
        "key": "kubernetes.io/metadata.name",
        "operator": "In",
        "values": namespaces,
    });
    let mut values = json!({
        "fullnameOverride": namespace,
        "images": {"registry": "ghcr.io/example", "tag": "1.0.0"},
        "config": config(),
        "webhook": webhook,
    });
    values["webhook"]["namespaceSelector"] = json!([only]);
    values
}

/// The webhook configuration, with the webhook's address on loopback and its authority;
/// any other object unchanged.
pub(crate) fn redirected(object: &Value, serving: &Serving) -> Value {
    let mut object = object.clone();
    if object["kind"] == "MutatingWebhookConfiguration" {
        object["webhooks"][0]["clientConfig"] = json!({
            "url": serving.url(),
            "caBundle": BASE64_STANDARD.encode(serving.authority()),
        });
    }
    object
}

/// A pod of Prometheus with our annotations.
pub(crate) fn pod(namespace: &str, name: &str, annotations: &[(&str, &str)]) -> Value {
    let template = template(annotations);
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": template["metadata"]["annotations"],
        },
        "spec": template["spec"],
    })
}

/// What a `StatefulSet` would say: the pod without what the cluster gave it.
fn template(annotations: &[(&str, &str)]) -> Value {
    let mut pod = prometheus();
    let spec = pod["spec"].as_object_mut().unwrap();
    for field in ["nodeName", "serviceAccount", "serviceAccountName", "priority", "tolerations"] {
        spec.remove(field);
    }
    let of_cluster = |item: &Value| !text(item, "/name").starts_with("kube-api-access-");
    spec["volumes"].as_array_mut().unwrap().retain(of_cluster);
    for kind in ["containers", "initContainers"] {
        for container in spec[kind].as_array_mut().unwrap() {
            container["volumeMounts"].as_array_mut().unwrap().retain(of_cluster);
        }
    }
    let ours = annotations.iter().map(|(name, value)| {
        (format!("{}{name}", contract::annotations::PREFIX), Value::from(*value))
    });
    json!({
        "metadata": {"annotations": ours.collect::<serde_json::Map<_, _>>()},
        "spec": pod["spec"],
    })
}

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = probe().await {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        sleep(GLANCE).await;
    }
}
