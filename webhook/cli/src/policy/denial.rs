//! The policy that denies annotated pods without a sidecar, with all the reasons in one
//! message; and the one that warns: about pods that forget to ask.

use std::collections::BTreeMap;

use contract::{
    annotations::{INJECT, PROFILE, YES},
    names,
};
use serde_json::{Value, json};
use webhook::{
    config::Config,
    decide::{Decision, decide},
    pod::Pod,
};

use super::{
    cel,
    conditions::{self, Variable, variable},
};

/// The beginning of every message, as in the webhook's.
const BEGIN: &str = "cannot inject the remote-write sidecar: ";
/// A longer value is cut: an event has room for 1024 bytes.
const MAX_VALUE_CHARS: usize = 120;
/// The fix for a port.
const PORT: &str = "set listeningPort of a profile and the port of remote_write.url to a free one";

/// The variables; `ports` are those of the profiles.
pub(super) fn variables(config: &Config, ports: &BTreeMap<&str, u64>) -> Vec<Variable> {
    let profiles = ports.iter().map(|(name, port)| format!("{}: {port}", cel::text(name)));
    let profiles = format!("{{{}}}", profiles.collect::<Vec<_>>().join(", "));
    let mut variables =
        vec![variable("profile", conditions::profile()), variable("profiles", profiles)];
    let port =
        "variables.profile in variables.profiles ? variables.profiles[variables.profile] : 0";
    variables.extend(conditions::variables(config, port));
    variables.push(variable("reasons", reasons(config, ports).join(" +\n")));
    variables
}

/// Whether the pod has a sidecar, its own or an injected one.
pub(super) const HAS_SIDECAR: &str = "size(variables.sidecars) > 0";

/// The message: all reasons, or that the other policy was not there.
pub(super) fn message() -> String {
    let none = cel::text(&format!("{BEGIN}{}", not_in_force()));
    format!(
        "size(variables.reasons) == 0 ? {none} :\n{} + variables.reasons.join(\"; \")",
        cel::text(BEGIN)
    )
}

/// The same where the message cannot be put together.
pub(super) fn plain_message() -> String {
    format!("{BEGIN}it has an invalid annotation, or another obstacle")
}

fn not_in_force() -> String {
    format!(
        "the policy of its profile is not in force (it requires Kubernetes 1.36), its ConfigMap is missing, or another policy, which was called later, added the annotation or removed the sidecar: apply the output of kubectl prom-remotewrite policy; or remove the annotation {INJECT} to start the pod without a sidecar"
    )
}

/// Each a list of one text, or of none.
fn reasons(config: &Config, ports: &BTreeMap<&str, u64>) -> Vec<String> {
    let names = ports.keys().copied().collect::<Vec<_>>().join(", ");
    let when = |condition: &str, text: &str| format!("({condition} ? [{text}] : [])");
    let said =
        |name: &str| format!("{} + {} + \"\\\"\"", cel::text(&format!("{name}=\"")), shown(name));
    let yes = conditions::inject_is(&YES);
    let several =
        format!("{PROFILE} names several, which needs the webhook: expected one of {names}");
    let expected = cel::text(&format!(": expected one of {names}"));
    let missing = cel::text(&format!("{PROFILE} is missing: expected one of {names}"));
    let is_named = format!("{} in variables.annotations", cel::text(PROFILE));
    vec![
        when(&format!("!{yes}"), &format!("{} + \": expected true or false\"", said(INJECT))),
        when(
            "size(variables.settings) > 0",
            "variables.settings.join(\", \") + \": only the webhook lets a pod override its profile: create a profile for it\"",
        ),
        unknown(),
        format!(
            "(variables.profile in variables.profiles ? [] : [!({is_named}) ? {missing} : variables.profile.contains(\",\") ? {} : {} + {expected}])",
            cel::text(&several),
            said(PROFILE)
        ),
        when("variables.windows", &cel::text(&windows(config))),
        when("variables.foreign", &cel::text(&foreign(config))),
        when(
            "size(variables.portOwners) > 0",
            &format!(
                "\"port \" + string(variables.port) + \" is taken by container \\\"\" + variables.portOwners[0].name + {}",
                cel::text(&format!("\": {PORT}"))
            ),
        ),
        when(
            "variables.nodePort",
            &format!(
                "\"port \" + string(variables.port) + {}",
                cel::text(&format!(" of the host network belongs to the node: {PORT}"))
            ),
        ),
    ]
}

/// The message about our annotations that do not exist.
fn unknown() -> String {
    let expected = cel::text(&format!(": no such annotation: expected {INJECT} or {PROFILE}"));
    format!(
        "(size(variables.unknown) > 0 ? [variables.unknown.sort().join(\", \") + {expected}] : [])"
    )
}

/// The warning about a pod that has our annotations and does not ask: what is misspelt,
/// as the webhook reports it.
pub(super) fn warning(config: &Config) -> String {
    let pod = json!({"metadata": {"annotations": {PROFILE: ""}}});
    let decision = decide(config, Pod::new(&pod));
    let warnings = decision.warnings().iter().map(|one| cel::text(one));
    format!("({} + {}).join(\"; \")", unknown(), cel::list(warnings))
}

/// An annotation's value on one line, cut if it is long.
fn shown(name: &str) -> String {
    let value = format!("variables.annotations[{}]", cel::text(name));
    format!(
        "(size({value}) > {MAX_VALUE_CHARS} ? {value}.substring(0, {MAX_VALUE_CHARS}) + \"…\" : {value}).replace(\"\\n\", \" \")"
    )
}

fn windows(config: &Config) -> String {
    denied(config, &json!({"os": {"name": "windows"}, "containers": []}))
}

fn foreign(config: &Config) -> String {
    denied(config, &json!({"containers": [{"name": names::CONTAINER}]}))
}

/// The webhook's message about a pod with this obstacle, apart from errors that the
/// default profile may have.
fn denied(config: &Config, spec: &Value) -> String {
    let pod = json!({"metadata": {"annotations": {INJECT: "true"}}, "spec": spec});
    let Decision::Deny(denial) = decide(config, Pod::new(&pod)) else { return String::new() };
    let message = denial.message.rsplit("; ").next().unwrap_or_default();
    message.strip_prefix(BEGIN).unwrap_or(message).to_owned()
}
