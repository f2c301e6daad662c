//! What is there today: a container written by hand, or Prometheus' own
//! `azuread` block.

use contract::{annotations::INJECTED, names};
use serde_json::Value;
use webhook::{decide::is_hand_written, pod::Container};

use super::{
    auth_proxy, native,
    sites::{Form, Site, at},
    variables::{self, Variables},
};

/// What takes the samples to Azure today.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    /// A container beside Prometheus.
    Container {
        /// The list that it is in.
        list: &'static str,
        /// Its place there.
        index: usize,
        /// It.
        container: &'a Value,
        /// Which program it runs.
        program: Program,
    },
    /// Prometheus itself.
    Native {
        /// The list that the entry is in.
        list: &'static str,
        /// Its place there.
        index: usize,
        /// The entry of remote write.
        entry: &'a Value,
    },
}

/// A program that authenticates for Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// Microsoft's, or one that has its variables.
    RemoteWrite,
    /// Azure/aad-auth-proxy.
    AuthProxy,
}

/// All that are there; one can be replaced.
pub(super) fn sources<'a>(site: &Site<'a>) -> Vec<Source<'a>> {
    let mut found = Vec::new();
    let lists = if site.form == Form::Configuration {
        [].as_slice()
    } else {
        ["initContainers", "containers"].as_slice()
    };
    for list in lists {
        let containers = site.items(list).iter().enumerate();
        found.extend(containers.filter_map(|(index, container)| {
            let program = program(container, *list == "initContainers")?;
            Some(Source::Container { list, index, container, program })
        }));
    }
    let native = site.writes().filter(|(.., entry)| native::block(entry).is_some());
    found.extend(native.map(|(list, index, entry)| Source::Native { list, index, entry }));
    found
}

/// Whether `node` looks like a container that takes samples to Azure.
pub(super) fn is_sidecar(node: &Value) -> bool {
    (node.get("image").is_some() || node.get("env").is_some()) && program(node, false).is_some()
}

fn program(container: &Value, is_init: bool) -> Option<Program> {
    let container = Container::new(container, is_init);
    if container.image().contains(auth_proxy::IMAGE) {
        return Some(Program::AuthProxy);
    }
    let is = is_hand_written(container) || container.name() == names::CONTAINER;
    is.then_some(Program::RemoteWrite)
}

impl Source<'_> {
    /// What it is, for people.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Container { list, container, .. } => {
                let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
                format!("{} {name:?}", list.trim_end_matches('s'))
            }
            Self::Native { list, index, entry } => {
                let block = native::block(entry).map_or("azuread", |(key, _)| key);
                format!("{list}[{index}].{block}")
            }
        }
    }

    /// Why it stays, whatever its settings are.
    pub(super) fn stays(&self, site: &Site<'_>) -> Option<String> {
        let Self::Container { list, container, .. } = self else { return None };
        if site.annotation(INJECTED).is_some() {
            return Some(format!(
                "the webhook injected it already, as its annotation {INJECTED} says: migrate what this pod is made of"
            ));
        }
        let spec = at(site.node, site.form.spec());
        let beside = spec.and_then(|spec| spec.get("env")).is_some();
        if beside && container.get("env").is_none() {
            return Some("its variables stand beside the list of containers, as in one of Microsoft's examples: indent env as far as its image".to_owned());
        }
        // A native sidecar is not in the list of those that it serves.
        let others = site.items("containers").len() - usize::from(*list == "containers");
        let alone = site.form == Form::Pod && others == 0;
        alone.then(|| "no other container is in its pod: it serves other pods, and a sidecar serves its own alone; if this is a patch, migrate what it makes, as kustomize build prints it".to_owned())
    }

    /// Its settings, as variables of the sidecar.
    ///
    /// # Errors
    /// Why they cannot be known or have no counterpart: one sentence each.
    pub(super) fn variables(&self, site: &Site<'_>) -> Result<Variables, Vec<String>> {
        match self {
            Self::Container { container, program: Program::RemoteWrite, .. } => {
                variables::of_container(container)
            }
            Self::Container { container, program: Program::AuthProxy, .. } => {
                auth_proxy::variables(container, site)
            }
            Self::Native { entry, .. } => native::variables(entry),
        }
    }
}
