//! The policy that injects: its variables, and its JSON patch. Container, volumes and
//! annotation are the model's; what is written here is on what in a pod they depend.

mod mesh;
mod room;
mod volumes;

use contract::{
    annotations::INJECTED,
    names::{self, env},
};
use serde_json::Value;
use webhook::{config::Config, inject::ASKS_FOR_BINDING};

use super::{
    cel,
    conditions::{self, Variable, variable},
    model::Model,
};

/// The variables, each of which may use those before it.
pub(super) fn variables(config: &Config, model: &Model) -> Vec<Variable> {
    let port = model.port().to_string();
    let mut variables = conditions::variables(config, &port);
    variables.extend(mesh::variables());
    variables.push(variable("root", "object.spec.?securityContext.?runAsUser.orValue(1) == 0"));
    variables.extend(room::variables(model));
    variables.extend(times());
    variables.extend([
        variable("env", environment(model)),
        variable("injects", format!("size(variables.sidecars) == 0 && !({})", conditions::BLOCKED)),
        variable("ours", is_ours()),
        // With settings of its own, no one can say what the sidecar should have.
        variable(
            "repairs",
            "variables.ours && size(variables.settings) == 0 && size(variables.unknown) == 0",
        ),
        variable("marks", marks()),
        variable("at", at(model)),
        variable(
            "index",
            format!(
                "variables.initContainers.map(c, c.name).indexOf({})",
                cel::text(names::CONTAINER)
            ),
        ),
    ]);
    variables.extend(volumes::variables(model));
    variables
}

/// Where the container is, when it has been added.
fn at(model: &Model) -> String {
    let path = cel::text(&format!("/spec/{}/", model.list));
    format!("{path} + string(size(object.spec.?{}.orValue([])))", model.list)
}

/// The parts that depend on the pod's grace period.
fn times() -> [Variable; 4] {
    [
        variable("times", "params.data.gracePeriods.trim().split(\"\\n\")"),
        variable(
            "grace",
            "has(object.spec.terminationGracePeriodSeconds) && object.spec.terminationGracePeriodSeconds >= 0 ? object.spec.terminationGracePeriodSeconds : 30",
        ),
        variable(
            "time",
            "variables.times[variables.grace < size(variables.times) ? variables.grace : size(variables.times) - 1].split(\" \")",
        ),
        variable("injected", "params.data.injected + \" settings=\" + variables.time[1]"),
    ]
}

/// The sidecar's variables: their values are parameters.
fn environment(model: &Model) -> String {
    let one =
        |name: &str, value: &str| format!("{{\"name\": {}, \"value\": {value}}}", cel::text(name));
    let (mut parts, mut constant) = (Vec::new(), Vec::new());
    for (name, _) in model.variables() {
        if name == env::SHUTDOWN_TIMEOUT {
            parts.push(cel::list(std::mem::take(&mut constant)));
            let own = one(name, "variables.time[0]");
            parts.push(format!("(variables.time[0] == \"-\" ? [] : [{own}])"));
        } else {
            constant.push(one(name, &format!("string(params.data.{name})")));
        }
    }
    parts.push(cel::list(constant));
    if !model.unset.is_empty() {
        let unset = cel::list(model.unset.iter().map(|name| one(name, "\"\"")));
        parts.push(format!("({} ? {unset} : [])", asks_for_binding()));
    }
    parts.join(" +\n")
}

/// Whether azure-workload-identity's webhook, which is called later, adds the variables
/// of an identity binding where they are absent.
fn asks_for_binding() -> String {
    format!(
        "variables.annotations[?{}].orValue(\"\").lowerAscii() == \"true\"",
        cel::text(ASKS_FOR_BINDING)
    )
}

/// Whether the existing sidecar is the webhook's or a policy's.
fn is_ours() -> String {
    let (name, mark) = (cel::text(names::CONTAINER), cel::text(INJECTED));
    let native = cel::text(env::NATIVE_SIDECAR);
    format!(
        "size(variables.sidecars) > 0 && variables.sidecars[0].name == {name} && ({mark} in variables.annotations || variables.sidecars[0].?env.orValue([]).exists(e, e.name == {native}))"
    )
}

/// Whether the annotation is to be written: also where another webhook removed it, if the
/// sidecar has the settings that it would name.
fn marks() -> String {
    format!(
        "variables.injects || (variables.repairs && !({} in variables.annotations) && variables.env.all(e, variables.sidecars[0].?env.orValue([]).exists(own, own.name == e.name && !has(own.valueFrom) && own.?value.orValue(\"\") == e.value)))",
        cel::text(INJECTED)
    )
}

/// The patch: nothing, for a pod that has all.
pub(super) fn patch(model: &Model) -> String {
    let marker =
        format!("\"/metadata/annotations/\" + jsonpatch.escapeKey({})", cel::text(INJECTED));
    let mut operations = vec![when("variables.marks", &add(&marker, "variables.injected"))];
    if model.list == "initContainers" {
        operations.push(list("initContainers", "variables.injects"));
    }
    let path = cel::text(&format!("/spec/{}/-", model.list));
    operations.push(when("variables.injects", &add(&path, &container(model))));
    operations.extend(room::operations(model));
    let restart = "\"/spec/initContainers/\" + string(variables.index) + \"/restartPolicy\"";
    operations.push(when(
        "variables.ours && variables.index >= 0 && !has(variables.initContainers[variables.index].restartPolicy)",
        &add(restart, "\"Always\""),
    ));
    operations.extend(volumes::operations(model));
    operations.extend(pull_secrets(model));
    operations.join(" +\n")
}

fn add(path: &str, value: &str) -> String {
    format!("JSONPatch{{op: \"add\", path: {path}, value: {value}}}")
}

/// One operation, or none.
fn when(condition: &str, operation: &str) -> String {
    format!("({condition} ?\n  [{}] : [])", cel::indented(operation))
}

/// A list that the pod may not have yet.
fn list(name: &str, condition: &str) -> String {
    let path = cel::text(&format!("/spec/{name}"));
    when(&format!("{condition} && !has(object.spec.{name})"), &add(&path, "[]"))
}

/// The container. Where a pod is remarkable, some fields are others.
fn container(model: &Model) -> String {
    let of = format!("Object.spec.{}", model.list);
    let field = |(name, usual): (&String, &Value)| {
        let of = format!("{of}.{name}");
        let value = match name.as_str() {
            "image" => "string(params.data.image)".to_owned(),
            // In a list, only objects with a type become JSON, whatever the list is made of.
            "env" => format!("variables.env.map(e, {of}{{name: e.name, value: e.value}})"),
            "volumeMounts" => volumes::mounts(model, &of),
            _ => {
                let variants = model.variants.iter().filter_map(|(variable, other)| {
                    Some((variable, other.get(name).filter(|value| *value != usual)?))
                });
                variants.fold(cel::literal(usual, &of), |text, (variable, value)| {
                    format!("variables.{variable} ? {} : {text}", cel::literal(value, &of))
                })
            }
        };
        (name.clone(), value)
    };
    cel::object(&of, model.container.iter().map(field))
}

fn pull_secrets(model: &Model) -> Vec<String> {
    if model.pull_secrets.is_empty() {
        return Vec::new();
    }
    let names = model.pull_secrets.iter().filter_map(|one| one.get("name")?.as_str());
    let operation = add("\"/spec/imagePullSecrets/-\"", "Object.spec.imagePullSecrets{name: n}");
    vec![
        list("imagePullSecrets", "variables.injects"),
        format!(
            "{}.filter(n, variables.injects && !object.spec.?imagePullSecrets.orValue([]).exists(s, s.?name.orValue(\"\") == n)).map(n, {operation})",
            cel::texts(names)
        ),
    ]
}
