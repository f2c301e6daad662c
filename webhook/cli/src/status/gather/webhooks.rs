//! Webhook configurations of ours, and what stands behind them.

use serde_json::Value;
use webhook::config::ConfigFile;

use super::{ApiServer, text};
use crate::{
    needs::lookup::get,
    status::facts::{FoundPod, FoundWebhook, our_webhook},
};

pub(super) const CONFIGURATIONS: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

/// Those among all configurations.
pub(super) async fn webhooks(
    server: &ApiServer<'_>,
    configurations: Vec<Value>,
) -> Vec<FoundWebhook> {
    let mut webhooks = Vec::new();
    for configuration in configurations {
        let Some(ours) = our_webhook(&configuration) else { continue };
        // One that is called by a URL runs elsewhere.
        webhooks.push(match ours.pointer("/clientConfig/service").cloned() {
            Some(service) => webhook(server, configuration, &service).await,
            None => FoundWebhook { configuration, ..FoundWebhook::default() },
        });
    }
    webhooks
}

/// What stands behind a webhook configuration: a Service, and a Deployment and a
/// `ConfigMap` of the same name.
async fn webhook(server: &ApiServer<'_>, configuration: Value, service: &Value) -> FoundWebhook {
    let (namespace, name) = (text(service, "/namespace"), text(service, "/name"));
    let mut missing = Vec::new();
    let mut part = async |kind: &str, group: &str, plural: &str| {
        let path = format!("{group}/namespaces/{namespace}/{plural}/{name}");
        let read = get(server.client, &path).await;
        if matches!(read, Ok(None)) {
            missing.push(format!("{kind} {namespace}/{name}"));
        }
        server.seen(&path, read)
    };
    let map = part("ConfigMap", "/api/v1", "configmaps").await;
    let deployment = part("Deployment", "/apis/apps/v1", "deployments").await;
    part("Service", "/api/v1", "services").await;
    let file = map.map(|map| {
        ConfigFile::parse(text(&map, "/data/config.yaml"))
            .map_err(|errors| contract::report(&errors))
    });
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
    FoundWebhook { configuration, file, deployment, missing, replicas }
}
