//! Under which names the pod has the sidecar's volumes, and which it lacks.

use contract::names;
use serde_json::{Map, Value};

use super::{
    super::{
        cel,
        conditions::{Variable, variable},
        model::{Model, Volume},
    },
    add, list, when,
};

/// Filled in by the API server in volumes that lack it.
const DEFAULT_MODE: &str = "defaultMode";

/// The names, and existing volumes.
pub(super) fn variables(model: &Model) -> Vec<Variable> {
    let mut variables = vec![
        variable("volumes", "object.spec.?volumes.orValue([])"),
        variable("volumeNames", "variables.volumes.map(v, v.name)"),
        // The names of ours are compared with these alone: with all volumes of a pod that has
        // hundreds, the expression would cost more than an API server allows.
        variable(
            "namesakes",
            format!(
                "variables.volumes.filter(v, v.name.startsWith({}))",
                cel::text(names::CONTAINER)
            ),
        ),
        // A volume that another webhook removed is still mounted.
        variable(
            "mounted",
            "variables.repairs ? variables.sidecars[0].?volumeMounts.orValue([]).map(m, m.name) : []",
        ),
        variable("mountsApiToken", "object.spec.?automountServiceAccountToken.orValue(true)"),
    ];
    variables.extend(model.volumes.iter().map(|volume| variable(&chosen(volume), choice(volume))));
    variables
}

/// The variable with the name under which the pod has a volume.
fn chosen(volume: &Volume) -> String {
    let short = volume.name.trim_start_matches(names::CONTAINER).trim_start_matches('-');
    format!("volume_{}", short.replace('-', "_"))
}

/// The pod's own volume with the same certificate; else the first name that is free, or
/// that the same volume has.
fn choice(volume: &Volume) -> String {
    let name = cel::text(&volume.name);
    let next = cel::text(&format!("{}-", volume.name));
    let same = cel::is_same("v", &Value::Object(volume.source.clone()), &[DEFAULT_MODE, "name"]);
    let free = format!(
        "lists.range(size(variables.namesakes) + 1).map(i, i == 0 ? {name} : {next} + string(i + 1))\n  .filter(n, !variables.namesakes.exists(v, v.name == n && !({same})))"
    );
    let own =
        if volume.name == names::CERTIFICATE_VOLUME { delivers(&volume.source) } else { None };
    match own {
        Some(own) => format!("(variables.volumes.filter(v, {own}).map(v, v.name) +\n{free})[0]"),
        None => format!("{free}[0]"),
    }
}

/// Whether the volume `v` is another with the same certificate, which everyone can read.
fn delivers(source: &Map<String, Value>) -> Option<String> {
    let text = |path: &[&str]| {
        let (first, rest) = path.split_first()?;
        let found = rest.iter().try_fold(source.get(*first)?, |value, step| value.get(step));
        found.and_then(Value::as_str).map(cel::text)
    };
    if let (Some(driver), Some(class)) =
        (text(&["csi", "driver"]), text(&["csi", "volumeAttributes", "secretProviderClass"]))
    {
        return Some(format!(
            "v.?csi.driver.orValue(\"\") == {driver} && v.?csi.?volumeAttributes[?\"secretProviderClass\"].orValue(\"\") == {class}"
        ));
    }
    let secret = text(&["secret", "secretName"])?;
    Some(format!(
        "v.?secret.?secretName.orValue(\"\") == {secret} && !has(v.secret.items) && (!has(v.secret.defaultMode) || (v.secret.defaultMode / 4) % 2 == 1)"
    ))
}

/// The container's mounts.
pub(super) fn mounts(model: &Model, of: &str) -> String {
    let one = |volume: &Volume| {
        let name = ("name".to_owned(), format!("variables.{}", chosen(volume)));
        let fields = volume.mount.iter();
        let fields = fields.map(|(name, value)| (name.clone(), cel::literal(value, of)));
        let mount = cel::list([cel::object(of, std::iter::once(name).chain(fields))]);
        if volume.hides_api_token {
            format!("(variables.mountsApiToken ? {mount} : [])")
        } else {
            mount
        }
    };
    let all: Vec<String> = model.volumes.iter().map(one).collect();
    if all.is_empty() { "[]".to_owned() } else { all.join(" + ") }
}

/// Adds the volumes that the pod has not.
pub(super) fn operations(model: &Model) -> Vec<String> {
    let mut operations = Vec::new();
    if !model.volumes.is_empty() {
        operations.push(list("volumes", "(variables.injects || variables.repairs)"));
    }
    for volume in &model.volumes {
        let name = format!("variables.{}", chosen(volume));
        let of = "Object.spec.volumes";
        let fields = volume.source.iter();
        let fields = fields
            .map(|(field, value)| (field.clone(), cel::literal(value, &format!("{of}.{field}"))));
        let fields = std::iter::once(("name".to_owned(), name.clone())).chain(fields);
        let token = if volume.hides_api_token { " && variables.mountsApiToken" } else { "" };
        operations.push(when(
            &format!(
                "(variables.injects || {name} in variables.mounted){token} && !({name} in variables.volumeNames)"
            ),
            &add("\"/spec/volumes/-\"", &cel::object(of, fields)),
        ));
    }
    operations
}
