//! What takes samples to Azure today: a container written by hand, or Prometheus'
//! own `azuread` block.
//!
//! A new program is one more [`Program`] here, with its variables in a file of its
//! own.

use contract::{annotations::INJECTED, names};
use serde_json::Value;
use webhook::pod::Container;

use super::{
    auth_proxy, native,
    variables::{self, Variables},
};
use crate::{
    tree::at,
    workloads::{hand_written, sites::Site},
};

/// A container, or an entry of remote write.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// The path to it, from its site.
    pub(super) path: Vec<String>,
    /// It.
    pub(super) value: Value,
    /// What it is.
    pub(super) program: Program,
}

/// Who authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// Microsoft's container, or one that has its variables.
    RemoteWrite,
    /// Azure/aad-auth-proxy.
    AuthProxy,
    /// Prometheus itself.
    Native,
}

/// All that are there, each of which becomes a destination of one sidecar.
pub(super) fn sources(site: &Site<'_>) -> Vec<Source> {
    let containers = site.containers().filter_map(|(path, is_init, value)| {
        let program = program(&value, is_init)?;
        Some(Source { path, value, program })
    });
    let native = site.writes().filter(|(_, entry)| native::block(entry).is_some());
    let native =
        native.map(|(path, entry)| Source { path, value: entry.clone(), program: Program::Native });
    containers.chain(native).collect()
}

/// The source that `node` is, wherever it stands.
pub(super) fn of(node: &Value) -> Option<Source> {
    let is_entry = native::block(node).is_some() && node.get("url").is_some();
    let is_container = ["image", "env"].iter().any(|key| node.get(key).is_some());
    let program = if is_entry { Some(Program::Native) } else { program(node, false) };
    let program = program.filter(|_| is_entry || is_container)?;
    Some(Source { path: Vec::new(), value: node.clone(), program })
}

fn program(container: &Value, is_init: bool) -> Option<Program> {
    let container = Container::new(container, is_init);
    if hand_written::is_auth_proxy(container) {
        return Some(Program::AuthProxy);
    }
    let is = hand_written::is_source(container) || container.name() == names::CONTAINER;
    is.then_some(Program::RemoteWrite)
}

impl Source {
    /// Its description, for users.
    pub(super) fn name(&self) -> String {
        let name = self.value.get("name").map(|name| format!(" {name}")).unwrap_or_default();
        match (native::block(&self.value), self.path.as_slice()) {
            (Some((block, _)), [.., list, index]) => format!("{list}[{index}].{block}"),
            (Some((block, _)), _) => format!("remote write with {block}"),
            (None, _) => format!("container{name}"),
        }
    }

    /// Why it stays, whatever its settings are; `all` are the sources of its site.
    pub(super) fn stays(&self, site: &Site<'_>, all: &[Self]) -> Option<String> {
        if self.program == Program::Native {
            return None;
        }
        if site.annotation(INJECTED).is_some() {
            return Some(format!(
                "the webhook injected it already, as its annotation {INJECTED} shows: migrate the manifest of this pod"
            ));
        }
        let above = self.path.len().checked_sub(2).and_then(|depth| self.path.get(..depth));
        let beside = above.and_then(|above| at(site.node, above)?.get("env"));
        if beside.is_some() && self.value.get("env").is_none() {
            return Some("its variables are next to the list of containers, as in one of Microsoft's examples: indent env as far as its image".to_owned());
        }
        let is_source = |path: &Vec<String>| all.iter().any(|source| source.path == *path);
        let mut served =
            site.containers().filter(|(path, is_init, _)| !is_init && !is_source(path));
        let is_alone = site.form.is_pod && served.next().is_none();
        is_alone.then(|| "no other container is in its pod: it serves other pods, and a sidecar serves its own pod only: annotate those pods, with a profile of its settings; if this is a patch, migrate the patched object, as kustomize build prints it".to_owned())
    }

    /// Its settings, as variables of the sidecar.
    ///
    /// # Errors
    /// Why they cannot be known or have no counterpart: one sentence each.
    pub(super) fn variables(&self, site: &Site<'_>) -> Result<Variables, Vec<String>> {
        match self.program {
            Program::RemoteWrite => variables::of_container(&self.value),
            Program::AuthProxy => auth_proxy::variables(&self.value, site),
            Program::Native => native::variables(&self.value, site),
        }
    }
}
