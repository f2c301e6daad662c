//! Where a Prometheus has to write to that is configured in another document: written
//! there, if all that read it agree.

use std::collections::BTreeSet;

use contract::names::WRITE_PATH;
use serde_json::Value;

use super::{Migration, plan::Plan};
use crate::{loopback, workloads::sites::Site, yaml};

/// What the Prometheus of a pod has to write to in place of a source.
#[derive(Clone, Debug)]
pub(super) struct Redirection {
    /// The pod's namespace, where that is known.
    namespace: Option<Value>,
    /// The names of the `ConfigMaps` that the pod mounts.
    maps: Vec<String>,
    /// Where the source listened.
    port: u16,
    /// Where its destination is.
    url: String,
    /// Whether this is another place.
    is_moved: bool,
    /// Whether a document has it now.
    is_written: bool,
}

impl Redirection {
    /// That of `plan`, where its object is a pod, which does not say what is written.
    pub(super) fn of(site: &Site<'_>, plan: &Plan<'_>) -> Option<Self> {
        let maps = site.volumes().iter().filter_map(|it| it.pointer("/configMap/name")?.as_str());
        site.form.is_pod.then(|| Self {
            namespace: site.object.and_then(namespace),
            maps: maps.map(str::to_owned).collect(),
            port: plan.settings.listening_port.get(),
            url: plan.url.clone(),
            is_moved: plan.is_moved(),
            is_written: false,
        })
    }

    /// What is to be done, if it has not been.
    pub(super) fn note(&self) -> Option<String> {
        let port = self.port;
        let place = if self.is_moved { format!("http://localhost:{port} ") } else { String::new() };
        let url = &self.url;
        (!self.is_written)
            .then(|| format!("the remote-write URL {place}is not in this object: set it to {url}"))
    }

    /// Whether its Prometheus may read `document`.
    fn reads(&self, document: &Value) -> bool {
        let Some(name) = document.pointer("/metadata/name") else {
            return document.get("remote_write").is_some();
        };
        let namespaces = namespace(document).zip(self.namespace.clone());
        document.get("kind").is_some_and(|kind| kind == "ConfigMap")
            && self.maps.iter().any(|map| name == map)
            && namespaces.is_none_or(|(there, here)| there == here)
    }
}

fn namespace(object: &Value) -> Option<Value> {
    object.pointer("/metadata/namespace").cloned()
}

/// Document `number` with what the pods that read it have to write to. Where they do not
/// agree it stays, and the migration has a note.
pub(super) fn redirected(migration: &mut Migration, number: usize, mut text: String) -> String {
    let document = yaml::read(&text).unwrap_or_default();
    let migrated = migration.attempts.iter_mut().filter_map(|it| it.result.as_mut().ok());
    let all = migrated.flat_map(|migrated| &mut migrated.redirections);
    let mut all: Vec<&mut Redirection> = all.filter(|it| it.reads(&document)).collect();
    let ports: BTreeSet<u16> = all.iter().filter(|it| it.is_moved).map(|it| it.port).collect();
    for port in ports {
        let olds = loopback::HOSTS.map(|host| format!("http://{host}:{port}{WRITE_PATH}"));
        let urls: BTreeSet<String> =
            all.iter().filter(|it| it.port == port).map(|it| it.url.clone()).collect();
        let urls: Vec<String> = urls.into_iter().collect();
        if !olds.iter().any(|old| text.contains(old)) {
            continue;
        }
        let [url] = urls.as_slice() else {
            let urls = urls.join(" and ");
            migration.notes.push(format!("document {number}: pods that share it have to write to {urls} in place of http://localhost:{port}: give each a configuration of its own"));
            continue;
        };
        text = olds.iter().fold(text, |text, old| text.replace(old, url));
        all.iter_mut().filter(|it| it.port == port).for_each(|it| it.is_written = true);
    }
    text
}
