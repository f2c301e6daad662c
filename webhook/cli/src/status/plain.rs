//! A Prometheus without prometheus-operator: what it writes to is in `prometheus.yml`,
//! which its pods mount from a `ConfigMap`. In a Secret nobody looks.

use std::collections::BTreeSet;

use serde_json::Value;
use webhook::pod::Pod;

use super::facts::{items, text};
use crate::{
    workloads::{Workload, workloads},
    yaml,
};

/// The paths of what the pods of these workloads mount.
pub(super) fn config_maps(objects: &[Value]) -> Vec<String> {
    // What a controller made is an operator's, with a configuration elsewhere.
    let own = objects.iter().filter(|object| Pod::new(object).owner().is_none());
    let workloads = own.flat_map(workloads).filter(|workload| workload.writes.is_none());
    let paths = workloads.flat_map(|workload| {
        let namespace = workload.namespace.clone().unwrap_or_default();
        let path = |name: &str| format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
        mounted(&workload).map(path).collect::<Vec<_>>()
    });
    // Several workloads may mount one.
    paths.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The names of the `ConfigMaps` among the volumes of a workload's pods.
fn mounted<'a>(workload: &'a Workload<'_>) -> impl Iterator<Item = &'a str> {
    let volumes = items(&workload.pod, "/spec/volumes");
    volumes.map(|volume| text(volume, "/configMap/name")).filter(|name| !name.is_empty())
}

/// The `prometheus.yml` of a workload's pods; `None` where it is not known.
pub(super) fn configuration(workload: &Workload<'_>, config_maps: &[Value]) -> Option<Value> {
    let is_mounted = |map: &&Value| {
        workload.namespace.as_deref() == Some(text(map, "/metadata/namespace"))
            && mounted(workload).any(|name| name == text(map, "/metadata/name"))
    };
    let data = config_maps.iter().filter(is_mounted).filter_map(|map| map.get("data")?.as_object());
    let texts = data.flat_map(|data| data.values()).filter_map(Value::as_str);
    let mut files = texts.filter(|text| text.contains(WRITES)).map(yaml::read);
    files.find_map(|file| file.ok().filter(|file| file.get(WRITES).is_some()))
}

/// Others have files that say what to scrape, and write to what a flag says.
const WRITES: &str = "remote_write";
