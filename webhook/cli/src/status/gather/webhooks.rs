//! Webhook configurations of ours, and what stands behind them.

use kube::Client;
use serde_json::Value;
use webhook::config::ConfigFile;

use super::{all, items, scraped};
use crate::{
    needs::lookup::get,
    status::facts::{FoundCluster, FoundPod, FoundWebhook, is_our_deployment, our_webhook, text},
};

const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

/// All of them; where there is none, what is left of an installation.
pub(super) async fn webhooks(
    client: &Client,
    cluster: &mut FoundCluster,
    metrics: bool,
) -> Vec<FoundWebhook> {
    let (mut found, mut webhooks) = (Vec::new(), Vec::new());
    for configuration in items(client, CONFIGURATIONS, &mut cluster.unseen).await {
        let Some(ours) = our_webhook(&configuration) else { continue };
        let service = ours.pointer("/clientConfig/service");
        let place = service.map(|service| place(service, "/namespace", "/name"));
        found.push((configuration, place));
    }
    if found.is_empty() {
        let deployments = cluster.objects.iter().filter(|object| is_our_deployment(object));
        let place = |object| place(object, "/metadata/namespace", "/metadata/name");
        found.extend(deployments.map(|object| (Value::Null, Some(place(object)))));
    }
    for (configuration, place) in found {
        let webhook = webhook(client, configuration, place, metrics, &mut cluster.unseen).await;
        webhooks.push(webhook);
    }
    webhooks
}

/// Namespace and name.
type Place = (String, String);

fn place(object: &Value, namespace: &str, name: &str) -> Place {
    (text(object, namespace).to_owned(), text(object, name).to_owned())
}

/// What stands behind a webhook configuration: a Service, and a Deployment and a
/// `ConfigMap` of the same name.
async fn webhook(
    client: &Client,
    configuration: Value,
    place: Option<Place>,
    metrics: bool,
    unseen: &mut Vec<String>,
) -> FoundWebhook {
    let Some((namespace, name)) = place else {
        return FoundWebhook { configuration, ..FoundWebhook::default() };
    };
    let file = get(client, &format!("/api/v1/namespaces/{namespace}/configmaps/{name}")).await;
    let file = file.and_then(|map| map.ok_or_else(|| "it is not there".to_owned()));
    let file = match file {
        Ok(map) => parse(&map, &configuration),
        Err(reason) => Err(format!("ConfigMap {namespace}/{name}: {reason}")),
    };
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    let deployment = all(client, vec![path], unseen).await.pop();
    let labels = deployment.as_ref().and_then(|found| found.pointer("/spec/selector/matchLabels"));
    let labels: Vec<String> = labels
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)))
        .collect();
    let mut replicas = Vec::new();
    if metrics && !labels.is_empty() {
        let path =
            format!("/api/v1/namespaces/{namespace}/pods?labelSelector={}", labels.join(","));
        for raw in items(client, &path, unseen).await {
            replicas.push(scraped(client, FoundPod { raw, figures: None }, "admin").await);
        }
    }
    FoundWebhook { configuration, file: Some(file), deployment, replicas }
}

fn parse(map: &Value, configuration: &Value) -> Result<ConfigFile, String> {
    let yaml = text(map, "/data/config.yaml");
    let mut file = ConfigFile::parse(yaml).map_err(|mistakes| contract::report(&mistakes))?;
    let ours = our_webhook(configuration);
    let selector = ours.and_then(|ours| ours.pointer("/namespaceSelector/matchExpressions"));
    let excluded = selector.and_then(Value::as_array).into_iter().flatten().filter(|one| {
        text(one, "/key") == "kubernetes.io/metadata.name" && text(one, "/operator") == "NotIn"
    });
    let names = excluded.filter_map(|one| one.get("values")?.as_array()).flatten();
    file.excluded_namespaces = names.filter_map(Value::as_str).map(str::to_owned).collect();
    Ok(file)
}
