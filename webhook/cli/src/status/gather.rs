//! Asks a cluster. Everything is listed by its metadata, in pages; only what has a
//! mark in it is read as a whole.
//!
//! The mark of a sidecar that was written by hand is in the metadata as well: the
//! API server keeps a list of all fields there (`managedFields`), and in it stand the
//! names of containers and variables.

mod webhooks;

use std::time::Duration;

use contract::names;
use futures_util::{StreamExt as _, stream};
use kube::Client;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::facts::{Figures, FoundCluster, FoundPod, Standing, text};
use crate::needs::lookup::{get, get_text};

/// Some 2 MiB of metadata, which the API server gets from etcd in one go.
const PAGE: usize = 500;
/// Requests under way: API servers give a user some dozens of places.
const AT_ONCE: usize = 16;
/// A scrape takes milliseconds; a pod behind a network policy answers never.
const SCRAPED_WITHIN: Duration = Duration::from_secs(5);

const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
/// In names and annotations of ours, and in what a hand-written sidecar has.
const MARKS: [&str; 2] = [names::CONTAINER, names::env::INGESTION_URL];

const WORKLOADS: [&str; 3] = ["deployments", "statefulsets", "daemonsets"];
/// Objects of prometheus-operator, by their version.
const OPERATORS: [(&str, &str); 2] = [("v1", "prometheuses"), ("v1alpha1", "prometheusagents")];

/// All that matters in a cluster, or in one of its namespaces; with what sidecars
/// and webhook say of themselves, if `metrics`.
///
/// # Errors
/// Where pods cannot be listed; what else cannot be seen is said in the result.
pub async fn gather(
    client: &Client,
    namespace: Option<&str>,
    metrics: bool,
) -> Result<FoundCluster, String> {
    let mut cluster =
        FoundCluster { namespace: namespace.map(str::to_owned), ..FoundCluster::default() };
    cluster.pods = pods(client, namespace, &mut cluster.unseen).await?;
    if metrics {
        let pods = std::mem::take(&mut cluster.pods).into_iter();
        let scraped = pods.map(|found| async {
            match found.standing() {
                Standing::Injected(_) => scraped(client, found, names::PORT).await,
                Standing::HandWritten(_) | Standing::Without => found,
            }
        });
        cluster.pods = stream::iter(scraped).buffered(AT_ONCE).collect().await;
    }
    for kind in WORKLOADS {
        let path = collection("/apis/apps/v1", namespace, kind);
        match marked(client, &path).await {
            Ok(paths) => cluster.objects.extend(all(client, paths, &mut cluster.unseen).await),
            Err(reason) => cluster.unseen.push(format!("{kind} cannot be listed: {reason}")),
        }
    }
    for (version, kind) in OPERATORS {
        let path = collection(&format!("/apis/monitoring.coreos.com/{version}"), namespace, kind);
        cluster.objects.extend(items(client, &path, &mut cluster.unseen).await);
    }
    let path = collection("/api/v1", namespace, "events?fieldSelector=reason=FailedCreate");
    let events = items(client, &path, &mut cluster.unseen).await;
    cluster.refusals = events.iter().map(refusal).collect();
    cluster.webhooks = webhooks::webhooks(client, &mut cluster, metrics).await;
    Ok(cluster)
}

/// Pods with a mark, each as a whole.
///
/// # Errors
/// Where pods cannot be listed.
pub async fn pods(
    client: &Client,
    namespace: Option<&str>,
    unseen: &mut Vec<String>,
) -> Result<Vec<FoundPod>, String> {
    let paths = marked(client, &collection("/api/v1", namespace, "pods")).await;
    let paths = paths.map_err(|reason| format!("list pods: {reason}"))?;
    let pods = all(client, paths, unseen).await.into_iter();
    Ok(pods.map(|raw| FoundPod { raw, figures: None }).collect())
}

fn collection(group: &str, namespace: Option<&str>, kind: &str) -> String {
    match namespace {
        Some(namespace) => format!("{group}/namespaces/{namespace}/{kind}"),
        None => format!("{group}/{kind}"),
    }
}

/// Objects by their metadata, each as it was written.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    metadata: PageEnd,
    /// `null` where there are none.
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
struct PageEnd {
    #[serde(default, rename = "continue")]
    token: String,
}

#[derive(Deserialize)]
struct Item {
    metadata: Name,
}

#[derive(Deserialize)]
struct Name {
    name: String,
    namespace: String,
}

/// The paths of all objects of a kind that have a mark in their metadata.
async fn marked(client: &Client, path: &str) -> Result<Vec<String>, String> {
    let (mut paths, mut token) = (Vec::new(), String::new());
    let (group, kind) = path.rsplit_once('/').unwrap_or_default();
    let group = group.split("/namespaces/").next().unwrap_or_default();
    loop {
        let page = format!("{path}?limit={PAGE}&continue={token}");
        let text = get_text(client, &page, METADATA).await?.unwrap_or_default();
        let page: Page<'_> =
            serde_json::from_str(&text).map_err(|error| format!("read the answer: {error}"))?;
        let marked = page.items.iter().flatten().map(|item| item.get());
        for item in marked.filter(|item| MARKS.iter().any(|mark| item.contains(mark))) {
            let Item { metadata: Name { name, namespace } } =
                serde_json::from_str(item).map_err(|error| format!("read an object: {error}"))?;
            paths.push(format!("{group}/namespaces/{namespace}/{kind}/{name}"));
        }
        if page.metadata.token.is_empty() {
            return Ok(paths);
        }
        token = page.metadata.token;
    }
}

/// The objects at `paths`, but for those that are gone meanwhile.
async fn all(client: &Client, paths: Vec<String>, unseen: &mut Vec<String>) -> Vec<Value> {
    let asked = paths.into_iter().map(|path| async move {
        get(client, &path).await.map_err(|reason| format!("{path} cannot be read: {reason}"))
    });
    let found: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
    let mut objects = Vec::new();
    for result in found {
        match result {
            Ok(object) => objects.extend(object.map(without_fields)),
            Err(reason) => unseen.push(reason),
        }
    }
    objects
}

/// All objects of a kind of which there are few; none where nobody knows the kind.
async fn items(client: &Client, path: &str, unseen: &mut Vec<String>) -> Vec<Value> {
    let list = match get(client, path).await {
        Ok(list) => list.unwrap_or_default(),
        Err(reason) => {
            let kind = path.rsplit('/').next().and_then(|kind| kind.split('?').next());
            let kind = kind.unwrap_or(path);
            unseen.push(format!("{kind} cannot be listed: {reason}"));
            return Vec::new();
        }
    };
    let Value::Object(mut list) = list else { return Vec::new() };
    let Some(Value::Array(items)) = list.remove("items") else { return Vec::new() };
    items.into_iter().map(without_fields).collect()
}

/// The list of fields is longer than the rest, and has been of use.
fn without_fields(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

/// Which controller could not create a pod, and why.
fn refusal(event: &Value) -> (String, String) {
    let of = |field| text(event, &format!("/involvedObject/{field}"));
    let subject = match (of("kind"), of("name").rsplit_once('-')) {
        // A Deployment's pods are made by its ReplicaSet, which has a hash in its name.
        ("ReplicaSet", Some((name, _))) => format!("Deployment {}/{name}", of("namespace")),
        (kind, _) => format!("{kind} {}/{}", of("namespace"), of("name")),
    };
    (subject, text(event, "/message").to_owned())
}

/// A pod with the metrics at its port of this name, if it has an address.
async fn scraped(client: &Client, found: FoundPod, port: &str) -> FoundPod {
    let Some(port) = found.port(port).filter(|_| found.has_address()) else { return found };
    let (namespace, name) = (found.namespace(), found.name());
    let path =
        format!("/api/v1/namespaces/{namespace}/pods/{name}:{port}/proxy{}", names::METRICS_PATH);
    let answer = tokio::time::timeout(SCRAPED_WITHIN, get_text(client, &path, "text/plain")).await;
    let figures = match answer {
        Ok(Ok(Some(text))) => Ok(Figures::parse(&text)),
        Ok(Ok(None)) => Err("nothing is there".to_owned()),
        Ok(Err(reason)) => Err(reason),
        Err(_) => Err(format!("no answer within {} s", SCRAPED_WITHIN.as_secs())),
    };
    FoundPod { figures: Some(figures), ..found }
}
