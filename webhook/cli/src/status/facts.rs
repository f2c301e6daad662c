//! What a cluster has, as it was found.

use std::{collections::BTreeMap, str::FromStr as _};

use contract::{annotations, names};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use webhook::{
    config::{ConfigFile, selection},
    decide::{is_hand_written, is_injected_by_us},
    pod::{Container, Pod},
};

pub use super::figures::Figures;
pub use crate::needs::lookup::Unread;
use crate::{policy::is_by_policy, workloads::hand_written::is_source};

/// One cluster.
#[derive(Debug, Default)]
pub struct FoundCluster {
    /// The kubeconfig's context, if several were asked for.
    pub context: Option<String>,
    /// The namespace, if only one was looked at.
    pub namespace: Option<String>,
    /// The labels of namespaces, by name, as far as they could be read.
    pub namespaces: BTreeMap<String, Value>,
    /// Pods with a mark of ours or of a hand-written sidecar.
    pub pods: Vec<FoundPod>,
    /// Workloads with such a mark, and all objects of prometheus-operator.
    pub objects: Vec<Value>,
    /// What the pods of these workloads mount, where `prometheus.yml` may be.
    pub config_maps: Vec<Value>,
    /// Webhooks of ours; usually one.
    pub webhooks: Vec<FoundWebhook>,
    /// Policies that inject: one for each profile.
    pub policies: Vec<FoundPolicy>,
    /// Their objects that inject nothing: which, and what it lacks.
    pub incomplete_policies: Vec<(String, String)>,
    /// Whether there may be webhooks or policies of ours that could not be looked at.
    pub hides_injectors: bool,
    /// Why pods were not created lately: the controller, and what it was told.
    pub refusals: Vec<(String, String)>,
    /// What could not be looked at, and why.
    pub unseen: Vec<Unread>,
}

/// A pod that is to run, and what it says of itself.
#[derive(Debug)]
pub struct FoundPod {
    /// The whole pod.
    pub raw: Value,
    /// Its metrics, or why there are none; `None` if they were not asked for.
    pub figures: Option<Result<Figures, String>>,
}

/// A webhook configuration of ours, and what stands behind it.
#[derive(Debug, Default)]
pub struct FoundWebhook {
    /// The `MutatingWebhookConfiguration`.
    pub configuration: Value,
    /// Its configuration file; `None` if nothing says where that is, or if it could not be
    /// looked at.
    pub file: Option<Result<ConfigFile, String>>,
    /// Its Deployment, if it was found.
    pub deployment: Option<Value>,
    /// Objects that it needs and that do not exist: kind, namespace and name.
    pub missing: Vec<String>,
    /// Its pods, each with the chain that it serves with in PEM, if it was asked.
    pub replicas: Vec<(FoundPod, Option<String>)>,
}

/// A policy that injects.
#[derive(Debug)]
pub struct FoundPolicy {
    /// Its `ConfigMap`.
    pub parameters: Value,
    /// Which pods it is for, by itself and by its binding: both must select a pod.
    pub selectors: [Value; 2],
}

/// Which sidecar a pod has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Standing<'a> {
    /// One that was injected.
    Injected(Container<'a>),
    /// One that its author wrote: the container's name.
    HandWritten(&'a str),
    /// None.
    Without,
}

impl FoundCluster {
    /// One that could not be looked at, and why.
    pub fn unseen(unread: Unread) -> Self {
        Self { hides_injectors: true, unseen: vec![unread], ..Self::default() }
    }

    /// When a webhook was configured, in seconds since 1970, if one is.
    pub(super) fn asked_since(&self) -> Option<i64> {
        self.webhooks.iter().map(|webhook| created(&webhook.configuration)).min()
    }

    /// The policy for a pod's profile.
    pub(super) fn policy(&self, pod: Pod<'_>) -> Option<&FoundPolicy> {
        let expected = pod.annotation(annotations::PROFILE).unwrap_or(annotations::DEFAULT_PROFILE);
        let mut policies = self.policies.iter();
        policies.find(|policy| text(&policy.parameters, "/data/profile") == expected.trim())
    }

    /// Whether policies of ours were applied.
    pub(super) const fn has_policies(&self) -> bool {
        !self.policies.is_empty() || !self.incomplete_policies.is_empty()
    }

    /// Whether a policy injected a pod, and none would inject one that replaces it.
    pub(super) fn lost_policy(&self, pod: Pod<'_>) -> bool {
        is_by_policy(pod)
            && self.policy(pod).is_none()
            && self.has_policies()
            && self.webhooks.is_empty()
            && !self.hides_injectors
    }

    /// Why no webhook is called for a pod in this namespace with these `labels`, if they
    /// are known; `None` if one is, or if that is not known.
    pub(super) fn unselected(&self, namespace: &str, labels: Option<&Value>) -> Option<String> {
        let ours = self.webhooks.iter().filter_map(|webhook| our_webhook(&webhook.configuration));
        let reasons = ours.map(|ours| {
            let others = self.others(ours, namespace, labels)?;
            Some(format!("the webhook is not called for {others}"))
        });
        reasons.collect::<Option<Vec<_>>>()?.into_iter().next()
    }

    /// The same for a policy.
    pub(super) fn unselected_by(&self, policy: &FoundPolicy, found: &FoundPod) -> Option<String> {
        let mut selectors = policy.selectors.iter();
        let others = selectors
            .find_map(|one| self.others(one, found.namespace(), Some(labels(&found.raw))))?;
        Some(format!("the policy of its profile is not for {others}"))
    }

    /// For which other pods these selectors are; `None` if for this one, or if that is not
    /// known.
    fn others(&self, selectors: &Value, namespace: &str, labels: Option<&Value>) -> Option<String> {
        let unmet =
            |field, labels: Option<&Value>| selection::unmet(selectors.get(field)?, labels?);
        if let Some(unmet) = unmet("namespaceSelector", self.namespaces.get(namespace)) {
            return Some(format!(
                "pods in its namespace, but for those in namespaces with {unmet}"
            ));
        }
        Some(format!("it, but for pods with {}", unmet("objectSelector", labels)?))
    }

    /// What the webhook decides by, where that can be read.
    pub(super) fn file(&self) -> Option<&ConfigFile> {
        self.webhooks.first()?.file.as_ref()?.as_ref().ok()
    }
}

impl FoundPod {
    /// One without metrics so far; `None` for one that has ended or is being removed,
    /// which is nobody's concern.
    pub fn new(raw: Value) -> Option<Self> {
        let has_ended = matches!(text(&raw, "/status/phase"), "Succeeded" | "Failed");
        let is_removed = raw.pointer("/metadata/deletionTimestamp").is_some();
        (!has_ended && !is_removed).then_some(Self { raw, figures: None })
    }

    pub(super) fn pod(&self) -> Pod<'_> {
        Pod::new(&self.raw)
    }

    pub(crate) fn standing(&self) -> Standing<'_> {
        let pod = self.pod();
        if let Some(container) = pod.containers().find(|one| is_injected_by_us(pod, *one)) {
            return Standing::Injected(container);
        }
        // Only what the webhook knows keeps it from a pod that asks.
        let asks = annotations::parse_inject(pod.annotation(annotations::INJECT).unwrap_or(""));
        let declines = asks.is_ok_and(|inject| !inject.asks);
        let by_hand = pod
            .containers()
            .find(|container| is_hand_written(*container) || (declines && is_source(*container)));
        by_hand.map_or(Standing::Without, |container| Standing::HandWritten(container.name()))
    }

    /// Metrics, where they could be read.
    pub(super) fn figures(&self) -> Option<&Figures> {
        self.figures.as_ref()?.as_ref().ok()
    }

    /// `Pod namespace/name`.
    pub(crate) fn subject(&self) -> String {
        crate::workloads::subject(&self.raw, "Pod")
    }

    /// The commands that show why its sidecar does not run.
    pub(crate) fn reasons(&self) -> String {
        let pod = format!("-n {} {}", self.namespace(), self.name());
        let container = names::CONTAINER;
        format!(
            "`kubectl describe pod {pod}` and `kubectl logs {pod} -c {container} --previous` show why"
        )
    }

    pub(crate) fn namespace(&self) -> &str {
        text(&self.raw, "/metadata/namespace")
    }

    pub(crate) fn name(&self) -> &str {
        text(&self.raw, "/metadata/name")
    }

    /// When it was created, in seconds since 1970.
    pub(super) fn created(&self) -> i64 {
        created(&self.raw)
    }
}

/// The webhook of ours in a `MutatingWebhookConfiguration`, by the name that the
/// chart gives it.
pub(super) fn our_webhook(configuration: &Value) -> Option<&Value> {
    let mut webhooks = items(configuration, "/webhooks");
    webhooks.find(|one| text(one, "/name") == "pods.inject.prom-remotewrite")
}

/// The labels of an object; null where it has none.
pub(super) fn labels(object: &Value) -> &Value {
    object.pointer("/metadata/labels").unwrap_or(&Value::Null)
}

/// When an object was created, in seconds since 1970; 0 where it does not say.
fn created(object: &Value) -> i64 {
    let time = text(object, "/metadata/creationTimestamp");
    Timestamp::from_str(time).map_or(0, Timestamp::as_second)
}

/// The text at `path`; empty where there is none.
pub(super) fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// The items of the list at `path`; none where there is none.
pub(super) fn items<'a>(object: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(path).and_then(Value::as_array).into_iter().flatten()
}
