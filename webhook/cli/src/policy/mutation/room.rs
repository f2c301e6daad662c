//! CPU and memory of the sidecar in pods that have resources as a whole, or are
//! Guaranteed. The amounts are the model's.

use contract::Quantity;

use super::{
    super::{
        cel,
        conditions::{Variable, variable},
        model::Model,
    },
    add, when,
};

/// CPU or memory of the container, in thousandths.
struct Resource {
    name: &'static str,
    request: Option<u128>,
    limit: Option<u128>,
}

fn all(model: &Model) -> impl Iterator<Item = Resource> {
    let resources = model.container.get("resources");
    let amount = move |kind: &str, name: &str| {
        let text = resources?.get(kind)?.get(name)?.as_str()?;
        text.parse().ok().map(|amount: Quantity| amount.thousandths())
    };
    let of = move |name| Resource {
        name,
        request: amount("requests", name),
        limit: amount("limits", name),
    };
    // A request of nothing always fits.
    ["cpu", "memory"].into_iter().map(of).filter(|one| one.request.or(one.limit).is_some())
}

/// An amount in thousandths. An amount that no node has is capped, or the sum would not
/// be an integer.
fn thousandths(quantity: &str) -> String {
    format!("int([quantity({quantity}).asApproximateFloat(), 1e14].min() * 1000.0 + 0.5)")
}

/// What the pod as a whole has, and whether it leaves room.
pub(super) fn variables(model: &Model) -> Vec<Variable> {
    let own = |kind: &str| format!("object.spec.?resources.?{kind}.orValue({{}})");
    let mut variables = vec![
        variable("ownRequests", own("requests")),
        variable("ownLimits", own("limits")),
        variable("guaranteed", is_guaranteed()),
    ];
    for Resource { name, request, limit } in all(model) {
        let Some(own) = request.or(limit) else { continue };
        let of = |kind: &str| format!("c.?resources.?{kind}[?\"{name}\"]");
        let sum = format!("variables.{name}Requested");
        variables.push(variable(
            &format!("{name}Requested"),
            format!(
                "variables.running.map(c, {}).sum()",
                thousandths(&format!("{}.or({}).orValue(\"0\")", of("requests"), of("limits")))
            ),
        ));
        // Of a limit alone, the API server makes a request later: what the containers
        // request, or else the limit.
        variables.push(variable(
            &format!("{name}Full"),
            format!(
                "\"{name}\" in variables.ownRequests ? {own} > {} - {sum} : \"{name}\" in variables.ownLimits && {sum} > 0",
                thousandths(&format!("variables.ownRequests[\"{name}\"]")),
            ),
        ));
        variables.push(variable(
            &format!("{name}ByLimit"),
            format!(
                "!(\"{name}\" in variables.ownRequests) && \"{name}\" in variables.ownLimits && {sum} == 0"
            ),
        ));
    }
    variables
}

/// As `Pod::is_guaranteed` finds it, for pods without resources as a whole.
fn is_guaranteed() -> String {
    let equal = "quantity(c.resources.requests[r]).compareTo(quantity(c.resources.limits[r])) == 0";
    let one = format!(
        "r in c.?resources.?limits.orValue({{}}) && quantity(c.resources.limits[r]).isGreaterThan(quantity(\"0\")) && (!(r in c.?resources.?requests.orValue({{}})) || {equal})"
    );
    format!(
        "![\"cpu\", \"memory\"].exists(r, r in variables.ownRequests || r in variables.ownLimits) &&\nvariables.containers.all(c, [\"cpu\", \"memory\"].all(r, {one}))"
    )
}

/// What changes in the container that has just been added, where the pod's own resources
/// leave no room for it, or less than its limit; or where a request of it would become the
/// pod's.
pub(super) fn operations(model: &Model) -> Vec<String> {
    let path = |rest: &str| format!("variables.at + {}", cel::text(&format!("/resources/{rest}")));
    let mut operations = Vec::new();
    for kind in ["requests", "limits"] {
        if model.container.get("resources").is_none_or(|all| all.get(kind).is_none()) {
            let any =
                "variables.injects && size(variables.ownRequests) + size(variables.ownLimits) > 0";
            operations.push(when(any, &add(&path(kind), "{}")));
        }
    }
    for Resource { name, limit, .. } in all(model) {
        let full = format!("variables.injects && variables.{name}Full");
        let has_limit = format!("\"{name}\" in variables.ownLimits");
        let request = path(&format!("requests/{name}"));
        operations.push(when(&full, &add(&request, &cel::text(Quantity::none().as_str()))));
        let most = path(&format!("limits/{name}"));
        let own = add(&most, &format!("variables.ownLimits[\"{name}\"]"));
        let Some(limit) = limit else {
            operations.push(when(&format!("{full} && {has_limit}"), &own));
            continue;
        };
        let amount = thousandths(&format!("variables.ownLimits[\"{name}\"]"));
        let less = format!("(variables.{name}Full || {limit} > {amount})");
        operations.push(when(&format!("variables.injects && {has_limit} && {less}"), &own));
        operations.push(when(&format!("{full} && !({has_limit})"), &remove(&most)));
    }
    for Resource { name, request, limit } in all(model) {
        let by_limit = format!("variables.injects && variables.{name}ByLimit");
        for (kind, amount) in [("requests", request), ("limits", limit)] {
            if amount.is_some() {
                let path = path(&format!("{kind}/{name}"));
                operations.push(when(&by_limit, &remove(&path)));
            }
        }
    }
    operations
}

fn remove(path: &str) -> String {
    format!("JSONPatch{{op: \"remove\", path: {path}}}")
}
