//! A pod as it was received, read and never changed.
//!
//! Typed pods lose fields that this program's version of Kubernetes does not
//! know, so the pod stays JSON. Every reader here is total: a field with an unexpected
//! type counts as absent.

mod mesh;
mod nodes;
mod requests;

use serde_json::Value;

pub use mesh::{MESHES, Mesh, Signs};
pub use requests::Resource;

/// A view of a pod, or of a template's `metadata` and `spec`.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a> {
    raw: &'a Value,
    /// The parts that are read most often.
    annotations: Option<&'a Value>,
    labels: Option<&'a Value>,
    spec: Option<&'a Value>,
    init_containers: &'a [Value],
    containers: &'a [Value],
}

/// A view of one of its containers.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    raw: &'a Value,
    /// Whether it stands among the init containers.
    pub is_init: bool,
}

/// The grace period of a pod that names none, in seconds.
const DEFAULT_GRACE_SECONDS: u64 = 30;

impl<'a> Pod<'a> {
    /// A view of `raw`.
    pub fn new(raw: &'a Value) -> Self {
        let metadata = |name| at(raw, &["metadata", name]);
        let (annotations, labels) = (metadata("annotations"), metadata("labels"));
        let spec = raw.get("spec");
        let list = |name| spec.and_then(|spec| spec.get(name)?.as_array());
        let [init_containers, containers] = ["initContainers", "containers"]
            .map(|name| list(name).map(Vec::as_slice).unwrap_or_default());
        Self { raw, annotations, labels, spec, init_containers, containers }
    }

    /// The pod as it came.
    pub const fn raw(self) -> &'a Value {
        self.raw
    }

    /// Every annotation whose value is a text, as Kubernetes demands.
    pub fn annotations(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let map = self.annotations.and_then(Value::as_object);
        map.into_iter().flatten().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
    }

    /// One annotation.
    pub fn annotation(self, name: &str) -> Option<&'a str> {
        self.annotations?.get(name)?.as_str()
    }

    /// One label.
    pub fn label(self, name: &str) -> Option<&'a str> {
        self.labels?.get(name)?.as_str()
    }

    /// The name, which a pod that generates one has not yet.
    pub fn name(self) -> Option<&'a str> {
        self.text(&["metadata", "name"]).or_else(|| self.text(&["metadata", "generateName"]))
    }

    /// The controller that made it: kind and name.
    pub fn owner(self) -> Option<(&'a str, &'a str)> {
        let owner = items(self.at(&["metadata", "ownerReferences"]))
            .find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))?;
        Some((owner.get("kind")?.as_str()?, owner.get("name")?.as_str()?))
    }

    /// Init containers, then containers.
    pub fn containers(self) -> impl Iterator<Item = Container<'a>> {
        let init = self.init_containers.iter().map(|raw| Container { raw, is_init: true });
        init.chain(self.containers.iter().map(|raw| Container { raw, is_init: false }))
    }

    /// Its volumes.
    pub fn volumes(self) -> impl Iterator<Item = &'a Value> {
        items(self.spec_at(&["volumes"]))
    }

    /// Whether it shares the node's network.
    pub fn is_on_host_network(self) -> bool {
        self.spec_at(&["hostNetwork"]).and_then(Value::as_bool) == Some(true)
    }

    /// Its service account.
    pub fn service_account(self) -> &'a str {
        self.spec_at(&["serviceAccountName"])
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty())
            .unwrap_or("default")
    }

    /// Whether the API token is mounted into its containers, unless its service account
    /// disables it.
    pub fn mounts_api_token(self) -> bool {
        self.spec_at(&["automountServiceAccountToken"]).and_then(Value::as_bool) != Some(false)
    }

    /// Whether it is meant to come to an end, as a Job's pod is.
    pub fn ends(self) -> bool {
        self.spec_at(&["restartPolicy"])
            .and_then(Value::as_str)
            .is_some_and(|policy| policy != "Always")
    }

    /// From SIGTERM to SIGKILL, in seconds.
    pub fn grace_seconds(self) -> u64 {
        self.spec_at(&["terminationGracePeriodSeconds"])
            .and_then(Value::as_u64)
            .unwrap_or(DEFAULT_GRACE_SECONDS)
    }

    /// Whether containers that name no user run as root.
    pub fn runs_as_root(self) -> bool {
        self.spec_at(&["securityContext", "runAsUser"]).and_then(Value::as_i64) == Some(0)
    }

    /// Names of the Secrets that images are pulled with.
    pub fn image_pull_secrets(self) -> impl Iterator<Item = &'a str> {
        items(self.spec_at(&["imagePullSecrets"]))
            .filter_map(|secret| secret.get("name").and_then(Value::as_str))
    }

    fn at(self, path: &[&str]) -> Option<&'a Value> {
        at(self.raw, path)
    }

    fn spec_at(self, path: &[&str]) -> Option<&'a Value> {
        at(self.spec?, path)
    }

    fn text(self, path: &[&str]) -> Option<&'a str> {
        self.at(path)?.as_str()
    }
}

impl<'a> Container<'a> {
    /// A view of `raw`.
    pub const fn new(raw: &'a Value, is_init: bool) -> Self {
        Self { raw, is_init }
    }

    /// Its name; empty if it has none.
    pub fn name(self) -> &'a str {
        self.raw.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// Its image; empty if it has none.
    pub fn image(self) -> &'a str {
        self.raw.get("image").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it runs next to the others: a container, or an init container that is
    /// restarted. An init container that exits frees its ports.
    pub fn keeps_running(self) -> bool {
        !self.is_init || self.restart_policy() == Some("Always")
    }

    /// Its own restart policy, which makes an init container a native sidecar.
    pub fn restart_policy(self) -> Option<&'a str> {
        self.raw.get("restartPolicy").and_then(Value::as_str).filter(|policy| !policy.is_empty())
    }

    /// Whether its `probe`, such as `livenessProbe`, is an HTTP request.
    pub fn is_probed_by_http(self, probe: &str) -> bool {
        self.raw.get(probe).and_then(|probe| probe.get("httpGet")).is_some_and(Value::is_object)
    }

    /// Where in it volumes are mounted: the path, and the volume's name.
    pub fn mounts(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let text = |mount: &'a Value, key| mount.get(key).and_then(Value::as_str);
        items(self.raw.get("volumeMounts"))
            .filter_map(move |mount| Some((text(mount, "mountPath")?, text(mount, "name")?)))
    }

    /// The list of the pod that it is in.
    pub fn list(self) -> &'static str {
        if self.is_init { "initContainers" } else { "containers" }
    }

    /// The TCP ports that it declares.
    pub fn ports(self) -> impl Iterator<Item = u64> {
        items(self.raw.get("ports"))
            .filter(|port| {
                port.get("protocol").and_then(Value::as_str).is_none_or(|name| name == "TCP")
            })
            .filter_map(|port| port.get("containerPort").and_then(Value::as_u64))
    }

    /// Whether it declares a port of this name.
    pub fn has_port(self, name: &str) -> bool {
        items(self.raw.get("ports"))
            .any(|port| port.get("name").and_then(Value::as_str) == Some(name))
    }

    /// A variable's value, where it is written down.
    pub fn variable(self, name: &str) -> Option<&'a str> {
        items(self.raw.get("env"))
            .find(|variable| variable.get("name").and_then(Value::as_str) == Some(name))?
            .get("value")?
            .as_str()
    }

    /// The names of the variables that are set, in whatever way.
    pub fn variable_names(self) -> impl Iterator<Item = &'a str> {
        items(self.raw.get("env")).filter_map(|variable| variable.get("name")?.as_str())
    }

    /// Whether it has variables that are in a `ConfigMap` or a Secret as a whole.
    pub fn has_variables_elsewhere(self) -> bool {
        items(self.raw.get("envFrom")).next().is_some()
    }

    /// Whether a variable is set, in whatever way.
    pub fn has_variable(self, name: &str) -> bool {
        self.variable_names().any(|one| one == name)
    }
}

/// The value below `value` at `path`. Unlike [`Value::pointer`], it allocates nothing.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| value.get(step))
}

fn items(list: Option<&Value>) -> impl Iterator<Item = &Value> {
    list.and_then(Value::as_array).into_iter().flatten()
}
