//! The webhook's checks of a pod, as variables and conditions of a policy: both policies
//! ask the same of it.

use contract::{
    Key,
    annotations::{INJECT, INJECTED, NO, PREFIX, PROFILE, YES},
    names::{self, env},
};
use serde_json::{Value, json};
use webhook::{
    config::Config,
    decide::{MICROSOFTS_IMAGES, NODE_PORTS, repository},
};

use super::cel;

/// Where the kubelet marks its mirror pods.
const MIRROR: &str = "kubernetes.io/config.mirror";
/// Blanks and quotation marks, which are not part of the value of `inject`. The blanks are
/// those of Unicode, as the webhook has them: `\s` is some of ASCII's.
const BLANKS: &str = r#"[\s\v\x{85}\pZ]*["'\\]*[\s\v\x{85}\pZ]*"#;

/// What the variables of a destination end with: a DNS label in capitals.
const SUFFIX: &str = "_[A-Z0-9]([A-Z0-9_]{0,61}[A-Z0-9])?";

/// A variable of a policy: its name, and its expression.
pub(super) type Variable = (String, String);

pub(super) fn variable(name: &str, expression: impl Into<String>) -> Variable {
    (name.to_owned(), expression.into())
}

/// A match condition, which can have no variables.
pub(super) fn condition(name: &str, expression: &str) -> Value {
    json!({"name": name, "expression": expression})
}

/// The pod is annotated for a sidecar.
pub(super) fn asks() -> Value {
    condition("asks", &format!("{} && {}", has_inject(), inject_is(&YES)))
}

/// The pod has one of our annotations, and does not opt out.
pub(super) fn does_not_decline() -> Value {
    condition("does-not-decline", &format!("{} && !{}", has_inject(), inject_is(&NO)))
}

/// The pod has our annotations, and not the one without which they mean nothing.
pub(super) fn forgets_to_ask() -> Value {
    condition(
        "forgets-to-ask",
        &format!(
            "has(object.metadata.annotations) && !({} in object.metadata.annotations) && object.metadata.annotations.exists(name, name.startsWith({}) && name != {})",
            cel::text(INJECT),
            cel::text(PREFIX),
            cel::text(INJECTED)
        ),
    )
}

/// The pod is not the kubelet's own, which cannot be changed.
pub(super) fn is_no_mirror() -> Value {
    condition("is-no-mirror", &format!("!({} in object.metadata.annotations)", cel::text(MIRROR)))
}

/// The profile that the pod names, or the default one.
pub(super) fn profile() -> String {
    let name = cel::text(PROFILE);
    let usual = cel::text(contract::annotations::DEFAULT_PROFILE);
    format!(
        "({name} in object.metadata.annotations ? object.metadata.annotations[{name}].trim() : {usual})"
    )
}

fn has_inject() -> String {
    format!(
        "has(object.metadata.annotations) && {} in object.metadata.annotations",
        cel::text(INJECT)
    )
}

/// Whether `inject` is one of these words, in capitals or not.
pub(super) fn inject_is(words: &[&str]) -> String {
    let mut words: Vec<&str> = words.to_vec();
    // In an expression, nothing at all would be a word that matches everything.
    let may_be_empty = words.iter().any(|word| word.is_empty());
    words.retain(|word| !word.is_empty());
    let optional = if may_be_empty { "?" } else { "" };
    format!(
        "object.metadata.annotations[{}].lowerAscii().matches(r'''^{BLANKS}({}){optional}{BLANKS}$''')",
        cel::text(INJECT),
        words.join("|")
    )
}

/// The variables about a pod that both policies have. `port` is the sidecar's.
pub(super) fn variables(config: &Config, port: &str) -> Vec<Variable> {
    let spec = |name: &str| format!("has(object.spec.{name}) ? object.spec.{name} : []");
    let names = names_of_annotations();
    names.into_iter().chain(vec![
        variable("initContainers", spec("initContainers")),
        variable("containers", "variables.initContainers + object.spec.containers"),
        // An init container that exits frees its ports and what it requested.
        variable(
            "running",
            "object.spec.containers + variables.initContainers.filter(c, has(c.restartPolicy) && c.restartPolicy == \"Always\")",
        ),
        variable("port", port),
        variable("sidecars", format!("variables.containers.filter(c, {})", is_sidecar(config))),
        variable("windows", is_windows()),
        variable(
            "foreign",
            format!("variables.containers.exists(c, c.name == {})", cel::text(names::CONTAINER)),
        ),
        variable(
            "portOwners",
            "variables.running.filter(c, has(c.ports) && c.ports.exists(p, p.containerPort == variables.port && (!has(p.protocol) || p.protocol == \"TCP\")))",
        ),
        variable(
            "nodePort",
            format!(
                "has(object.spec.hostNetwork) && object.spec.hostNetwork && variables.port in {NODE_PORTS:?}"
            ),
        ),
    ])
    .collect()
}

/// The annotations, those that only the webhook lets a pod set, and unknown ones of ours.
pub(super) fn names_of_annotations() -> [Variable; 3] {
    let known = Key::ALL.iter().map(|key| format!("{PREFIX}{}", key.annotation()));
    let known: Vec<String> = known.collect();
    let others = [INJECT, PROFILE, INJECTED].map(str::to_owned);
    let settings = format!("{}.filter(name, name in variables.annotations)", cel::texts(&known));
    let unknown = format!(
        "variables.annotations.filter(name, name.startsWith({}) && !(name in {}))",
        cel::text(PREFIX),
        cel::texts(known.iter().chain(&others))
    );
    [
        variable("annotations", "object.metadata.annotations"),
        variable("settings", settings),
        variable("unknown", unknown),
    ]
}

/// Whether anything of [`variables`] stands in the way of a sidecar.
pub(super) const BLOCKED: &str = "size(variables.settings) > 0 || size(variables.unknown) > 0 || variables.windows || variables.foreign || size(variables.portOwners) > 0 || variables.nodePort";

/// Whether the container `c` is an existing sidecar.
fn is_sidecar(config: &Config) -> String {
    let named = format!("c.name == {}", cel::text(names::CONTAINER));
    let images = MICROSOFTS_IMAGES.map(|path| format!("c.image.contains({})", cel::text(path)));
    let repository = repository(config.image.as_str());
    let image = format!(r"^{}(:[^:/@]*)?(@.*)?$", escaped(repository));
    let variable = |name| {
        // Most names differ at once, which costs less than an expression.
        let (start, whole) = (cel::text(name), cel::text(&format!("^{name}({SUFFIX})?$")));
        format!("c.env.exists(e, e.name.startsWith({start}) && e.name.matches({whole}))")
    };
    [
        format!("(has(c.image) && ({}))", images.join(" || ")),
        format!(
            "(has(c.env) && {} && ({named} || {}))",
            variable(env::INGESTION_URL),
            variable(env::IDENTITY_TYPE)
        ),
        format!("({named} && has(c.image) && c.image.matches({}))", cel::text(&image)),
        format!(
            "({named} && {} in variables.annotations && has(c.ports) && c.ports.exists(p, has(p.name) && p.name == {}))",
            cel::text(INJECTED),
            cel::text(names::PORT)
        ),
    ]
    .join(" || ")
}

/// An image has no other signs with a meaning in regular expressions.
fn escaped(image: &str) -> String {
    image.replace('.', r"\.").replace('+', r"\+")
}

/// As `Pod::is_windows` reads it.
fn is_windows() -> String {
    const TERMS: &str = "object.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    let labels = cel::texts(["kubernetes.io/os", "beta.kubernetes.io/os"]);
    let build = cel::text("node.kubernetes.io/windows-build");
    let is = |value: &str| format!("{value}.lowerAscii() == \"windows\"");
    let options = |of: &str| {
        format!(
            "(has({of}.securityContext) && has({of}.securityContext.windowsOptions) && size(dyn({of}.securityContext.windowsOptions)) > 0)"
        )
    };
    let demands = [
        format!(
            "(e.key in {labels} && e.operator == \"In\" && has(e.values) && size(e.values) > 0 && e.values.all(v, {}))",
            is("v")
        ),
        format!(
            "(e.key in {labels} && e.operator == \"NotIn\" && has(e.values) && e.values.exists(v, v.lowerAscii() == \"linux\"))"
        ),
        format!("(e.key == {build} && e.operator in [\"In\", \"Exists\"])"),
    ];
    let term = format!(
        "has(t.matchExpressions) && t.matchExpressions.exists(e, {})",
        demands.join(" || ")
    );
    [
        format!("(has(object.spec.os) && {})", is("object.spec.os.name")),
        format!(
            "(has(object.spec.nodeSelector) && ({labels}.exists(l, l in object.spec.nodeSelector && {}) || {build} in object.spec.nodeSelector))",
            is("object.spec.nodeSelector[l]")
        ),
        format!(
            "(has(object.spec.affinity) && has(object.spec.affinity.nodeAffinity) && has(object.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution) && size({TERMS}) > 0 && {TERMS}.all(t, {term}))"
        ),
        options("object.spec"),
        format!("variables.containers.exists(c, {})", options("c")),
    ]
    .join(" || ")
}
