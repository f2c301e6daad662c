//! The additions of the webhook to pods of one profile, found by asking it: the same
//! decision and the same patch, for pods that differ in one thing each.

use contract::{
    SettingError,
    annotations::{self, INJECT, INJECTED, PROFILE},
    names::{self, env},
};
use serde_json::{Map, Value, json};
use webhook::{
    config::Config,
    decide::{Decision, decide},
    inject::ASKS_FOR_BINDING,
    pod::{MESHES, Pod},
    review,
};

/// Seconds. Each grace period up to the shutdown timeout is a line in the parameters.
const MAX_SHUTDOWN_TIMEOUT: u32 = 60 * 60;

/// The additions to pods of a profile.
#[derive(Debug)]
pub(super) struct Model {
    /// The list that the container stands in.
    pub(super) list: &'static str,
    /// The container of a pod about which nothing is remarkable.
    pub(super) container: Map<String, Value>,
    /// The container of others, each with the variable that tells such pods.
    pub(super) variants: Vec<(&'static str, Map<String, Value>)>,
    /// The variables that it gets, without values, in a pod that asks
    /// azure-workload-identity for an identity binding.
    pub(super) unset: Vec<String>,
    /// The volumes that it reads.
    pub(super) volumes: Vec<Volume>,
    /// Secrets that its image is pulled with.
    pub(super) pull_secrets: Vec<Value>,
    /// The beginning of the webhook's annotation, before the hash of the settings.
    pub(super) version: String,
    /// What depends on the pod's grace period, by its seconds; the last is that of all
    /// longer ones.
    pub(super) times: Vec<Time>,
}

/// A volume, and its mount in the sidecar.
#[derive(Debug)]
pub(super) struct Volume {
    /// Its name, where that is free.
    pub(super) name: String,
    /// The volume without its name.
    pub(super) source: Map<String, Value>,
    /// The mount without the volume's name.
    pub(super) mount: Map<String, Value>,
    /// Whether only pods get it into which the API token is mounted.
    pub(super) hides_api_token: bool,
}

/// The parts that depend on a pod's grace period.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Time {
    /// The variable `SHUTDOWN_TIMEOUT`, unless it has its default.
    pub(super) shutdown_timeout: Option<String>,
    /// The hash of the settings.
    pub(super) settings: String,
}

impl Model {
    /// The model of a profile.
    ///
    /// # Errors
    /// What keeps the webhook from injecting by the profile alone.
    pub(super) fn new(config: &Config, profile: &str) -> Result<Self, Vec<SettingError>> {
        let ask = |changes: &Value| injected(config, profile, changes);
        let usual = ask(&json!({}))?;
        let (list, container) = sidecar(&usual);
        let mut variants = Vec::new();
        for (variable, changes) in remarkable() {
            variants.push((variable, sidecar(&ask(&changes)?).1));
        }
        let bound =
            sidecar(&ask(&json!({"metadata": {"annotations": {ASKS_FOR_BINDING: "true"}}}))?).1;
        let without_token = ask(&json!({"spec": {"automountServiceAccountToken": false}}))?;
        let times = times(&ask, profile)?;
        Ok(Self {
            volumes: volumes(&usual, &container, &without_token),
            pull_secrets: items(&usual, "/spec/imagePullSecrets").cloned().collect(),
            version: marked(&usual).0.to_owned(),
            unset: added_variables(&container, &bound),
            list,
            container,
            variants,
            times,
        })
    }

    /// The port that it listens on.
    pub(super) fn port(&self) -> u64 {
        let port = self.container.get("ports").and_then(|ports| ports.pointer("/0/containerPort"));
        port.and_then(Value::as_u64).unwrap_or_default()
    }

    /// A text of the container.
    pub(super) fn text(&self, field: &str) -> &str {
        self.container.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Its variables: names and values.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.container.get("env").and_then(Value::as_array).into_iter().flatten();
        all.filter_map(|one| Some((one.get("name")?.as_str()?, one.get("value")?.as_str()?)))
    }
}

/// The names of the variables that `other` has and `container` lacks.
fn added_variables(container: &Map<String, Value>, other: &Map<String, Value>) -> Vec<String> {
    let names = |container: &Map<String, Value>| -> Vec<String> {
        let all = container.get("env").and_then(Value::as_array).into_iter().flatten();
        all.filter_map(|one| Some(one.get("name")?.as_str()?.to_owned())).collect()
    };
    let existing = names(container);
    names(other).into_iter().filter(|name| !existing.contains(name)).collect()
}

/// What in a pod changes the container, and the variables of the policy that tell it.
fn remarkable() -> [(&'static str, Value); 3] {
    let sign = MESHES.iter().find_map(|mesh| mesh.annotations.first());
    let amounts = json!({"cpu": "1", "memory": "1Gi"});
    let guaranteed = json!({"name": "prometheus", "resources": {"limits": amounts}});
    [
        ("mesh", json!({"metadata": {"annotations": {sign.copied().unwrap_or_default(): "{}"}}})),
        ("root", json!({"spec": {"securityContext": {"runAsUser": 0}}})),
        ("guaranteed", json!({"spec": {"containers": [guaranteed]}})),
    ]
}

/// A pod with a sidecar.
fn injected(config: &Config, profile: &str, changes: &Value) -> Result<Value, Vec<SettingError>> {
    let mut pod = json!({
        "metadata": {"annotations": {INJECT: "true", PROFILE: profile}},
        "spec": {"containers": [{"name": "prometheus"}]},
    });
    json_patch::merge(&mut pod, changes);
    let decision = decide(config, Pod::new(&pod));
    let patch = review::patch_for(&decision, &mut pod.clone());
    match (&decision, patch) {
        (Decision::Inject(_), Ok(Some(patch))) => {
            let mut patched = pod;
            // The webhook has tried it.
            let _ = json_patch::patch(&mut patched, &patch);
            Ok(patched)
        }
        _ => Err(incomplete(config, profile, &pod, &decision)),
    }
}

/// Settings that the profile lacks. A pod cannot provide them, because it has no settings
/// of its own.
fn incomplete(
    config: &Config,
    profile: &str,
    pod: &Value,
    decision: &Decision,
) -> Vec<SettingError> {
    let name = format!("profiles.{profile}");
    let errors = webhook::effective::settings_for(config, Pod::new(pod)).err().unwrap_or_default();
    if errors.is_empty() {
        let message = match decision {
            Decision::Deny(denial) => denial.message.clone(),
            other => other.reason().to_owned(),
        };
        return vec![SettingError { name, value: None, expected: message, suggestion: None }];
    }
    let of_profile = |error: SettingError| {
        let key = annotations::key(&error.name).map(contract::Key::profile);
        let expected = error.expected.split(", here or as ").next().unwrap_or_default();
        SettingError {
            name: key.map_or(error.name.clone(), |key| format!("{name}.{key}")),
            expected: expected.to_owned(),
            ..error
        }
    };
    errors.into_iter().map(of_profile).collect()
}

/// The list that the sidecar stands in, and the sidecar.
fn sidecar(pod: &Value) -> (&'static str, Map<String, Value>) {
    let found = ["initContainers", "containers"].into_iter().find_map(|list| {
        let path = format!("/spec/{list}");
        let mut all = items(pod, &path);
        let ours =
            all.find(|one| one.get("name").and_then(Value::as_str) == Some(names::CONTAINER));
        Some((list, ours?.as_object()?.clone()))
    });
    found.unwrap_or(("containers", Map::new()))
}

/// The annotation, before and after the last `=`.
fn marked(pod: &Value) -> (&str, &str) {
    let annotations = pod.pointer("/metadata/annotations");
    let text = annotations.and_then(|all| all.get(INJECTED)).and_then(Value::as_str);
    let (before, settings) = text.unwrap_or_default().rsplit_once('=').unwrap_or_default();
    (before.split(' ').next().unwrap_or_default(), settings)
}

fn volumes(pod: &Value, container: &Map<String, Value>, without_token: &Value) -> Vec<Volume> {
    let named = |pod, name: &str| {
        let mut all = items(pod, "/spec/volumes");
        all.find(|one| one.get("name").and_then(Value::as_str) == Some(name)).cloned()
    };
    let mounts = container.get("volumeMounts").and_then(Value::as_array).into_iter().flatten();
    let volume = |mount: &Value| {
        let name = mount.get("name")?.as_str()?.to_owned();
        let without_name = |value: &Value| {
            let mut map = value.as_object()?.clone();
            map.remove("name");
            Some(map)
        };
        Some(Volume {
            source: without_name(&named(pod, &name)?)?,
            mount: without_name(mount)?,
            hides_api_token: named(without_token, &name).is_none(),
            name,
        })
    };
    mounts.filter_map(volume).collect()
}

fn times(
    ask: &impl Fn(&Value) -> Result<Value, Vec<SettingError>>,
    profile: &str,
) -> Result<Vec<Time>, Vec<SettingError>> {
    let at = |seconds: u32| -> Result<Time, Vec<SettingError>> {
        let pod = ask(&json!({"spec": {"terminationGracePeriodSeconds": seconds}}))?;
        let (_, container) = sidecar(&pod);
        let env = container.get("env").and_then(Value::as_array).into_iter().flatten();
        let mut timeouts = env.filter(|one| one["name"] == env::SHUTDOWN_TIMEOUT);
        let shutdown_timeout = timeouts.find_map(|one| one["value"].as_str().map(str::to_owned));
        Ok(Time { shutdown_timeout, settings: marked(&pod).1.to_owned() })
    };
    let last = at(u32::MAX)?;
    let mut times = Vec::new();
    // A margin more, which the sidecar leaves before it is killed.
    for seconds in 0..MAX_SHUTDOWN_TIMEOUT.saturating_add(60) {
        times.push(at(seconds)?);
        if times.last() == Some(&last) {
            return Ok(times);
        }
    }
    let expected = "at most 1h, because the parameters of a policy list each grace period";
    Err(vec![SettingError {
        name: format!("profiles.{profile}.shutdownTimeout"),
        value: last.shutdown_timeout,
        expected: expected.to_owned(),
        suggestion: None,
    }])
}

fn items<'a>(object: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(path).and_then(Value::as_array).into_iter().flatten()
}
