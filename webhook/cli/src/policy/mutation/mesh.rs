//! Whether a service mesh intercepts the pod's traffic, or will.

use webhook::pod::{MESHES, Signs};

use super::super::{
    cel,
    conditions::{Variable, variable},
};

/// Labels or annotations of a namespace that ask for a mesh in all its pods. Policies
/// come before the injectors of meshes, so that its containers are not there yet.
const NAMESPACES: [(&str, &[&str]); 1] = [("istio-injection", &["enabled"])];

/// As `Pod::mesh` finds it; of a namespace, what asks for one is looked at as well.
pub(super) fn variables() -> [Variable; 4] {
    let of_namespaces = NAMESPACES.iter().map(|(name, values)| says(name, values, &NAMESPACE));
    let mesh: Vec<String> = MESHES.iter().map(of).chain(of_namespaces).collect();
    [
        variable("labels", "object.metadata.?labels.orValue({})"),
        // A namespace has a type, and a pod has none: without one, both fit in a list.
        variable("namespaceLabels", "dyn(namespaceObject.metadata.?labels.orValue({}))"),
        variable("namespaceAnnotations", "dyn(namespaceObject.metadata.?annotations.orValue({}))"),
        variable("mesh", mesh.join(" ||\n")),
    ]
}

const POD: [&str; 2] = ["variables.labels", "variables.annotations"];
const NAMESPACE: [&str; 2] = ["variables.namespaceLabels", "variables.namespaceAnnotations"];

fn of(mesh: &Signs) -> String {
    let anywhere = [POD, NAMESPACE].concat();
    let asked: Vec<String> =
        mesh.requests.iter().map(|(name, values)| says(name, values, &anywhere)).collect();
    let (declines, values) = mesh.declines;
    let mut signs =
        vec![format!("variables.containers.exists(c, c.name in {})", cel::texts(mesh.containers))];
    let annotations = mesh.annotations.iter();
    signs.extend(annotations.map(|name| format!("{} in variables.annotations", cel::text(name))));
    signs.push(format!("(!{} && ({}))", says(declines, values, &POD), asked.join(" || ")));
    signs.join(" || ")
}

/// Whether a label or an annotation has one of these values, or any.
fn says(name: &str, values: &[&str], places: &[&str]) -> String {
    let name = cel::text(name);
    let value = format!("m[{name}].trim().lowerAscii()");
    let is = match values {
        [] => format!("{value} != \"\""),
        values => format!("{value} in {}", cel::texts(values)),
    };
    format!("[{}].exists(m, {name} in m && {is})", places.join(", "))
}
