//! Asks a cluster. Everything is listed by its metadata, in pages; only what has a
//! mark in it is read as a whole.
//!
//! The mark of a sidecar that was written by hand is in the metadata as well: the
//! API server keeps a list of all fields there (`managedFields`), and in it stand the
//! names of containers and variables.

mod policies;
mod webhooks;

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use contract::names;
use futures_util::{
    StreamExt as _,
    future::{join_all, ready},
    stream,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ListMeta, ObjectMeta};
use kube::Client;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    facts::{Figures, FoundCluster, FoundPod, Standing, Unread, items, labels, text},
    plain,
};
use crate::{
    needs::lookup::{get, get_text},
    workloads::hand_written,
};

/// Some 2 MiB of metadata, which the API server gets from etcd in one go.
const PAGE: usize = 500;
/// Requests under way: API servers give a user some dozens of places.
const AT_ONCE: usize = 16;
/// A scrape takes milliseconds; a pod behind a network policy answers never.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const NAMESPACES: &str = "/api/v1/namespaces";
/// In names and annotations of ours, and in what a hand-written sidecar has.
const MARKS: [&str; 4] = [
    names::CONTAINER,
    hand_written::AUTH_PROXY,
    names::env::INGESTION_URL,
    names::env::IDENTITY_TYPE,
];

const WORKLOADS: [&str; 3] = ["deployments", "statefulsets", "daemonsets"];
/// Objects of prometheus-operator, by their version.
const OPERATORS: [(&str, &str); 3] =
    [("v1", "prometheuses"), ("v1alpha1", "prometheusagents"), ("v1", "thanosrulers")];

/// All that matters in a cluster, or in one of its namespaces; with what sidecars
/// and webhook say of themselves, if `metrics`.
///
/// # Errors
/// Where pods cannot be listed; what else cannot be seen is said in the result.
pub async fn gather(
    client: &Client,
    namespace: Option<&str>,
    metrics: bool,
) -> Result<FoundCluster, Unread> {
    let server = ApiServer { client, namespace, metrics, unseen: RefCell::default() };
    let events = server.collection("/api/v1", "events?fieldSelector=reason=FailedCreate");
    let (namespaces, pods, objects, events) =
        tokio::join!(server.namespaces(), server.pods(), server.objects(), server.list(&events));
    let pods = pods?;
    let config_maps = server.all(plain::config_maps(&objects)).await;
    let failures = server.unseen.borrow().len();
    let configurations = server.list(webhooks::CONFIGURATIONS).await;
    let (policies, incomplete_policies) = policies::policies(&server).await;
    let hides_injectors = server.unseen.borrow().len() > failures;
    let webhooks = webhooks::webhooks(&server, configurations).await;
    Ok(FoundCluster {
        context: None,
        namespace: namespace.map(str::to_owned),
        namespaces,
        pods,
        objects,
        config_maps,
        webhooks,
        policies,
        incomplete_policies,
        hides_injectors,
        refusals: events.iter().map(refusal).collect(),
        unseen: server.unseen.into_inner(),
    })
}

/// The pods with a mark, and why others could not be read.
///
/// # Errors
/// Where pods cannot be listed.
pub async fn pods(
    client: &Client,
    namespace: Option<&str>,
) -> Result<(Vec<FoundPod>, Vec<Unread>), Unread> {
    let server = ApiServer { client, namespace, metrics: false, unseen: RefCell::default() };
    let pods = server.pods().await?;
    if pods.is_empty() && namespace.is_some() {
        server.namespaces().await;
    }
    Ok((pods, server.unseen.into_inner()))
}

/// Whether there is a pod of this name, in a namespace or in any.
///
/// # Errors
/// Where pods cannot be listed.
pub async fn has_pod(client: &Client, namespace: Option<&str>, name: &str) -> Result<bool, Unread> {
    let server = ApiServer { client, namespace, metrics: false, unseen: RefCell::default() };
    let path = server.collection("/api/v1", "pods");
    let list = get(client, &format!("{path}?fieldSelector=metadata.name={name}")).await?;
    Ok(list.is_some_and(|list| items(&list, "/items").next().is_some()))
}

/// The kind of what is at a path: a list, or an object in a namespace.
fn kind_at(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or_default();
    let below = path.split_once("/namespaces/").and_then(|(_, rest)| rest.split('/').nth(1));
    below.or_else(|| path.rsplit('/').next()).unwrap_or_default()
}

/// One that is asked for all that matters in it.
struct ApiServer<'a> {
    client: &'a Client,
    namespace: Option<&'a str>,
    /// Whether pods are asked for their metrics.
    metrics: bool,
    /// What could not be looked at, and why.
    unseen: RefCell<Vec<Unread>>,
}

/// Objects by their metadata, each as it was written.
#[derive(Deserialize)]
struct Page<'a> {
    metadata: ListMeta,
    /// `null` where there are none.
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Item {
    metadata: ObjectMeta,
}

impl ApiServer<'_> {
    /// The labels of each namespace that is looked at.
    async fn namespaces(&self) -> BTreeMap<String, Value> {
        let all = match self.namespace {
            Some(name) => {
                let found = get(self.client, &format!("{NAMESPACES}/{name}")).await;
                let absent = || Unread::from(format!("there is no namespace {name}"));
                let found = found.and_then(|found| found.ok_or_else(absent));
                self.seen("namespaces", found.map(Some)).into_iter().collect()
            }
            None => self.list(NAMESPACES).await,
        };
        let named =
            all.iter().map(|one| (text(one, "/metadata/name").to_owned(), labels(one).clone()));
        named.collect()
    }

    /// Pods with a mark; the injected ones with their metrics.
    async fn pods(&self) -> Result<Vec<FoundPod>, Unread> {
        let paths = self.marked("/api/v1", "pods").await;
        let paths = paths.map_err(|unread| unread.at("list pods"))?;
        let pods = paths.into_iter().map(|path| async move {
            let found = FoundPod::new(self.object(&path).await?)?;
            let is_injected = matches!(found.standing(), Standing::Injected(_));
            Some(if is_injected { self.measured(found, names::PORT).await } else { found })
        });
        Ok(stream::iter(pods).buffered(AT_ONCE).filter_map(ready).collect().await)
    }

    /// Workloads with a mark, and the operator's objects.
    async fn objects(&self) -> Vec<Value> {
        let workloads = WORKLOADS.map(|kind| async move {
            let paths = self.marked("/apis/apps/v1", kind).await;
            self.all(self.seen(kind, paths)).await
        });
        let operators = OPERATORS.map(|(version, kind)| async move {
            let group = format!("/apis/monitoring.coreos.com/{version}");
            self.list(&self.collection(&group, kind)).await
        });
        let (workloads, operators) = tokio::join!(join_all(workloads), join_all(operators));
        [workloads, operators].concat().concat()
    }

    /// The paths of all objects of a kind that have a mark in their metadata.
    async fn marked(&self, group: &str, kind: &str) -> Result<Vec<String>, Unread> {
        let (mut paths, mut next) = (Vec::new(), String::new());
        loop {
            let path = self.collection(group, kind);
            let path = format!("{path}?limit={PAGE}&continue={next}");
            let text = get_text(self.client, &path, METADATA).await?.unwrap_or_default();
            let page: Page<'_> =
                serde_json::from_str(&text).map_err(|error| format!("read the answer: {error}"))?;
            let items = page.items.iter().flatten().map(|item| item.get());
            for item in items.filter(|item| MARKS.iter().any(|mark| item.contains(mark))) {
                let Item { metadata } = serde_json::from_str(item)
                    .map_err(|error| format!("read an object: {error}"))?;
                let (namespace, name) = (metadata.namespace, metadata.name);
                let (namespace, name) = (namespace.unwrap_or_default(), name.unwrap_or_default());
                paths.push(format!("{group}/namespaces/{namespace}/{kind}/{name}"));
            }
            next = page.metadata.continue_.unwrap_or_default();
            if next.is_empty() {
                return Ok(paths);
            }
        }
    }

    /// The objects at `paths`, but for those that are gone meanwhile.
    async fn all(&self, paths: Vec<String>) -> Vec<Value> {
        let objects = paths.into_iter().map(|path| async move { self.object(&path).await });
        stream::iter(objects).buffered(AT_ONCE).filter_map(ready).collect().await
    }

    async fn object(&self, path: &str) -> Option<Value> {
        self.seen(path, get(self.client, path).await).map(without_fields)
    }

    /// All objects at a path where there are few; none where nobody knows their kind.
    async fn list(&self, path: &str) -> Vec<Value> {
        let list = self.object(path).await.unwrap_or_default();
        items(&list, "/items").cloned().map(without_fields).collect()
    }

    fn collection(&self, group: &str, kind: &str) -> String {
        match self.namespace {
            Some(namespace) => format!("{group}/namespaces/{namespace}/{kind}"),
            None => format!("{group}/{kind}"),
        }
    }

    /// What was found; where it could not be looked for, nothing, and that is noted: of what
    /// is forbidden, the kind says enough.
    fn seen<T: Default>(&self, what: &str, found: Result<T, Unread>) -> T {
        found.unwrap_or_else(|unread| {
            self.unseen.borrow_mut().push(if unread.is_forbidden {
                Unread { reason: kind_at(what).to_owned(), ..unread }
            } else {
                unread.at(what)
            });
            T::default()
        })
    }

    /// A pod with the metrics at its port of this name, if it is to be asked.
    async fn measured(&self, found: FoundPod, port: &str) -> FoundPod {
        let text = self.asked(&found, port, names::METRICS_PATH).await;
        FoundPod { figures: text.map(|text| Figures::parse(&text?)), ..found }
    }

    /// What a pod answers at its port of this name, through the API server; `None` if it
    /// is not to be asked, or has no such port or no address.
    async fn asked(
        &self,
        found: &FoundPod,
        port: &str,
        path: &str,
    ) -> Option<Result<String, String>> {
        let port = port_of(&found.raw, port).filter(|_| self.metrics)?;
        if text(&found.raw, "/status/podIP").is_empty() {
            return None;
        }
        let (namespace, name) = (found.namespace(), found.name());
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}:{port}/proxy{path}");
        let answer = get_text(self.client, &path, "text/plain");
        Some(match tokio::time::timeout(ANSWERED_WITHIN, answer).await {
            Ok(Ok(text)) => text.ok_or_else(|| "nothing is there".to_owned()),
            Ok(Err(unread)) => Err(unread.reason),
            Err(_) => Err(format!("no answer within {} s", ANSWERED_WITHIN.as_secs())),
        })
    }
}

/// The number of a pod's port of this name.
fn port_of(pod: &Value, expected: &str) -> Option<u64> {
    let containers = ["/spec/initContainers", "/spec/containers"];
    let containers = containers.into_iter().flat_map(|list| items(pod, list));
    let mut ports = containers.flat_map(|container| items(container, "/ports"));
    ports.find(|port| text(port, "/name") == expected)?.get("containerPort")?.as_u64()
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
