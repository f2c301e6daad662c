//! Both policies with their bindings and parameters.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Map, Value, json};
use serde_saphyr::SerializerOptions;
use webhook::{
    VERSION,
    config::{Config, ConfigFile, selection},
};

use super::{
    MARK, NAMESPACE,
    conditions::{self, Variable, condition},
    denial,
    model::{Model, Time},
    mutation,
};

/// The prefix of all objects' names.
const NAME: &str = "prom-remotewrite-policy";
/// Where policies are.
const GROUP: &str = "admissionregistration.k8s.io/v1";

/// Which pods are concerned, and where the parameters are.
pub(super) struct Scope {
    namespace: String,
    is_own: bool,
    namespace_selector: Value,
    object_selector: Value,
}

impl Scope {
    /// Those that the chart's webhook is asked about with these values.
    pub(super) fn new(file: &ConfigFile, values: &Value, namespace: Option<&str>) -> Self {
        // The two that the admissions enforcer of AKS adds to all such objects.
        let mut expressions = vec![
            selection::without(&file.excluded_namespaces),
            json!({"key": "control-plane", "operator": "NotIn", "values": ["true"]}),
            json!({"key": "kubernetes.azure.com/managedby", "operator": "NotIn", "values": ["aks"]}),
        ];
        let of_values = |path| values.pointer(path).filter(|_| file.is_values);
        let more = of_values("/webhook/namespaceSelector").and_then(Value::as_array);
        expressions.extend(more.into_iter().flatten().cloned());
        Self {
            namespace: namespace.unwrap_or(NAMESPACE).to_owned(),
            is_own: namespace.is_none(),
            namespace_selector: json!({"matchExpressions": expressions}),
            object_selector: of_values("/webhook/objectSelector")
                .cloned()
                .unwrap_or_else(|| json!({})),
        }
    }

    /// The namespace, if it is ours to make.
    pub(super) fn namespace(&self) -> Option<Value> {
        self.is_own.then(|| object("v1", "Namespace", &self.namespace, &json!({})))
    }

    /// The objects that inject the sidecars of a profile.
    pub(super) fn injecting(&self, config: &Config, profile: &str, model: &Model) -> [Value; 3] {
        let name = name(profile);
        let parameters = json!({
            "metadata": {"namespace": self.namespace},
            "data": parameters_of(profile, model),
        });
        let profile = format!("{} == params.data.profile", conditions::profile());
        let policy = json!({
            // What cannot be decided gets no sidecar, and is refused by the other policy.
            "failurePolicy": "Ignore",
            "matchConditions": [
                conditions::asks(),
                conditions::is_no_mirror(),
                condition("profile", &profile),
            ],
            "matchConstraints": self.constraints(),
            "mutations": [
                {"patchType": "JSONPatch", "jsonPatch": {"expression": mutation::patch(model)}},
            ],
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "reinvocationPolicy": "IfNeeded",
            "variables": listed(mutation::variables(config, model)),
        });
        let binding = json!({
            "policyName": name,
            // With Deny, no pod could be created while the ConfigMap is missing.
            "paramRef": {
                "name": name,
                "namespace": self.namespace,
                "parameterNotFoundAction": "Allow",
            },
        });
        [
            object("v1", "ConfigMap", &name, &parameters),
            object(GROUP, "MutatingAdmissionPolicy", &name, &json!({"spec": policy})),
            object(GROUP, "MutatingAdmissionPolicyBinding", &name, &json!({"spec": binding})),
        ]
    }

    /// The objects that deny pods without a sidecar, and that warn of pods that forget to
    /// ask.
    pub(super) fn validating(&self, config: &Config, ports: &BTreeMap<&str, u64>) -> [Value; 4] {
        let refusing = json!({
            "failurePolicy": "Fail",
            "matchConditions": [conditions::does_not_decline(), conditions::is_no_mirror()],
            "matchConstraints": self.constraints(),
            "validations": [{
                "expression": denial::HAS_SIDECAR,
                "message": denial::plain_message(),
                "messageExpression": denial::message(),
                "reason": "Forbidden",
            }],
            "variables": listed(denial::variables(config, ports)),
        });
        let warning = json!({
            "failurePolicy": "Ignore",
            "matchConditions": [conditions::forgets_to_ask(), conditions::is_no_mirror()],
            "matchConstraints": self.constraints(),
            "validations": [{"expression": "false", "messageExpression": denial::warning(config)}],
            "variables": listed(conditions::names_of_annotations().into()),
        });
        let warnings = format!("{NAME}-warnings");
        let policy = |name: &str, spec: &Value| {
            object(GROUP, "ValidatingAdmissionPolicy", name, &json!({"spec": spec}))
        };
        let binding = |name: &str, action: &str| {
            let spec = json!({"policyName": name, "validationActions": [action]});
            object(GROUP, "ValidatingAdmissionPolicyBinding", name, &json!({"spec": spec}))
        };
        [
            policy(NAME, &refusing),
            binding(NAME, "Deny"),
            policy(&warnings, &warning),
            binding(&warnings, "Warn"),
        ]
    }

    /// Pods that are created; what runs stays unchanged.
    fn constraints(&self) -> Value {
        json!({
            "matchPolicy": "Equivalent",
            "namespaceSelector": self.namespace_selector,
            "objectSelector": self.object_selector,
            "resourceRules": [{
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["pods"],
                "scope": "Namespaced",
            }],
        })
    }
}

/// The name of a profile's objects: `_` and capitals have no place there.
pub(super) fn name(profile: &str) -> String {
    format!("{NAME}.{}", profile.to_ascii_lowercase().replace('_', "-"))
}

fn object(version: &str, kind: &str, name: &str, rest: &Value) -> Value {
    let mut object = json!({
        "apiVersion": version,
        "kind": kind,
        "metadata": {
            "name": name,
            "labels": {
                "app.kubernetes.io/component": "policy",
                "app.kubernetes.io/name": "prom-remotewrite",
                "app.kubernetes.io/version": VERSION,
            },
        },
    });
    json_patch::merge(&mut object, rest);
    object
}

fn listed(variables: Vec<Variable>) -> Value {
    let one = |(name, expression): Variable| json!({"name": name, "expression": expression});
    variables.into_iter().map(one).collect()
}

/// The values of a profile: the sidecar's image and variables, by their names.
fn parameters_of(profile: &str, model: &Model) -> Map<String, Value> {
    let time = |Time { shutdown_timeout, settings }: &Time| {
        format!("{} {settings}", shutdown_timeout.as_deref().unwrap_or("-"))
    };
    let times: Vec<String> = model.times.iter().map(time).collect();
    let own = [
        ("profile", profile.to_owned()),
        ("image", model.text("image").to_owned()),
        ("injected", format!("{} {MARK}", model.version)),
        ("gracePeriods", times.join("\n")),
    ];
    let own = own.into_iter().map(|(name, text)| (name.to_owned(), text.into()));
    let variables =
        model.variables().filter(|(name, _)| *name != contract::names::env::SHUTDOWN_TIMEOUT);
    own.chain(variables.map(|(name, value)| (name.to_owned(), value.into()))).collect()
}

/// As `kubectl apply` takes them.
pub(super) fn yaml(objects: &[Value]) -> String {
    let mut text = format!(
        "# Written by kubectl prom-remotewrite policy {VERSION}. After a change of the values, print and apply\n# all objects again: each ConfigMap belongs to a policy.\n"
    );
    let mut options = SerializerOptions::default();
    options.compact_list_indent = true;
    for object in objects {
        let object =
            serde_saphyr::to_string_with_options(object, options.clone()).unwrap_or_default();
        let _ = write!(text, "---\n{object}");
    }
    text
}
