//! Webhook configurations of ours, and what stands behind them.

use contract::names;
use serde_json::Value;
use webhook::config::ConfigFile;

use super::{ApiServer, text};
use crate::{
    needs::lookup::get,
    status::facts::{FoundPod, FoundWebhook, our_webhook},
};

const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

/// All of them; where there is none, what is left of an installation.
pub(super) async fn webhooks(server: &ApiServer<'_>, objects: &[Value]) -> Vec<FoundWebhook> {
    let ours = server.list(CONFIGURATIONS).await.into_iter().filter_map(|configuration| {
        let service = our_webhook(&configuration)?.pointer("/clientConfig/service");
        let place = service.map(|it| place(it, "/namespace", "/name"));
        Some((configuration, place))
    });
    let mut found: Vec<_> = ours.collect();
    if found.is_empty() {
        let left = objects.iter().filter(|object| is_our_deployment(object));
        let place = |object| place(object, "/metadata/namespace", "/metadata/name");
        found.extend(left.map(|object| (Value::Null, Some(place(object)))));
    }
    let mut webhooks = Vec::new();
    for (configuration, place) in found {
        webhooks.push(match place {
            Some(place) => webhook(server, configuration, place).await,
            None => FoundWebhook { configuration, ..FoundWebhook::default() },
        });
    }
    webhooks
}

/// Namespace and name.
fn place(object: &Value, namespace: &str, name: &str) -> (String, String) {
    (text(object, namespace).to_owned(), text(object, name).to_owned())
}

/// Whether this is the webhook's Deployment, by the labels that the chart gives it.
fn is_our_deployment(object: &Value) -> bool {
    let label = |name: &str| text(object, &format!("/metadata/labels/app.kubernetes.io~1{name}"));
    text(object, "/kind") == "Deployment"
        && (label("name"), label("component")) == (names::CONTAINER, "webhook")
}

/// What stands behind a webhook configuration: a Service, and a Deployment and a
/// `ConfigMap` of the same name.
async fn webhook(
    server: &ApiServer<'_>,
    configuration: Value,
    (namespace, name): (String, String),
) -> FoundWebhook {
    let map = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
    let map = get(server.client, &map).await;
    let file = match map.and_then(|map| map.ok_or_else(|| "it does not exist".to_owned())) {
        Ok(map) => ConfigFile::parse(text(&map, "/data/config.yaml"))
            .map_err(|mistakes| contract::report(&mistakes)),
        Err(reason) => Err(format!("ConfigMap {namespace}/{name}: {reason}")),
    };
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    let deployment = server.object(&path).await;
    let labels = deployment.as_ref().and_then(|it| it.pointer("/spec/selector/matchLabels"));
    let labels = labels.and_then(Value::as_object).into_iter().flatten();
    let labels = labels.filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)));
    let selector = labels.collect::<Vec<_>>().join(",");
    let mut replicas = Vec::new();
    if server.metrics && !selector.is_empty() {
        let pods = format!("/api/v1/namespaces/{namespace}/pods?labelSelector={selector}");
        for found in server.list(&pods).await.into_iter().filter_map(FoundPod::new) {
            let chain = server.asked(&found, "admin", "/certificate").await;
            // Versions before 1.1 do not tell it.
            let chain = chain.and_then(Result::ok);
            replicas.push((server.measured(found, "admin").await, chain));
        }
    }
    FoundWebhook { configuration, file: Some(file), deployment, replicas }
}
