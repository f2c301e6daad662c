//! Which namespaces and pods API servers ask the webhook about, by the selectors of its
//! configuration.

use serde_json::{Value, json};

/// The label that each namespace has with its name.
const NAME: &str = "kubernetes.io/metadata.name";

/// Namespaces that the chart excludes, whatever its values are.
const EXCLUDED: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// The requirement that excludes namespaces by name: those of the control plane and
/// these `more`.
pub fn without(more: &[String]) -> Value {
    let mut names = EXCLUDED.to_vec();
    for name in more {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    json!({"key": NAME, "operator": "NotIn", "values": names})
}

/// Whether a namespace of this name is excluded, as are these `more`.
pub fn is_excluded(namespace: &str, more: &[String]) -> bool {
    let selector = json!({"matchExpressions": [without(more)]});
    unmet(&selector, &json!({NAME: namespace})).is_some()
}

/// The first requirement of the selector that the labels do not meet, as kubectl writes
/// it: `team in (a,b)`.
///
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>
pub fn unmet(selector: &Value, labels: &Value) -> Option<String> {
    let exact = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    let exact = exact.map(|(key, value)| (key.as_str(), "In", vec![value]));
    let expressions = array(selector.get("matchExpressions"));
    let expressions = expressions.map(|one| {
        let values = array(one.get("values")).collect();
        (text(one.get("key")), text(one.get("operator")), values)
    });
    exact.chain(expressions).find_map(|(key, operator, values): (_, _, Vec<&Value>)| {
        let label = labels.get(key);
        let is_listed = label.is_some_and(|label| values.contains(&label));
        let values: Vec<&str> = values.into_iter().map(|one| text(Some(one))).collect();
        let values = values.join(",");
        let (is_met, shown) = match operator {
            "In" => (is_listed, format!("{key} in ({values})")),
            "NotIn" => (!is_listed, format!("{key} notin ({values})")),
            "Exists" => (label.is_some(), key.to_owned()),
            "DoesNotExist" => (label.is_none(), format!("!{key}")),
            // The API server knows no other.
            _ => (true, String::new()),
        };
        (!is_met).then_some(shown)
    })
}

fn array(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_is_judged_as_api_servers_do() {
        let labels = json!({"team": "a", "stage": "test"});
        for (selector, expected) in [
            (json!({}), None),
            (json!({"matchLabels": {"team": "a", "stage": "test"}}), None),
            (json!({"matchLabels": {"team": "b"}}), Some("team in (b)")),
            (json!({"matchLabels": {"cost": "b"}}), Some("cost in (b)")),
            (of("team", "In", &["b", "a"]), None),
            (of("team", "In", &["b", "c"]), Some("team in (b,c)")),
            (of("cost", "In", &["b"]), Some("cost in (b)")),
            (of("team", "NotIn", &["b"]), None),
            (of("team", "NotIn", &["b", "a"]), Some("team notin (b,a)")),
            (of("cost", "NotIn", &["b"]), None),
            (of("team", "Exists", &[]), None),
            (of("cost", "Exists", &[]), Some("cost")),
            (of("cost", "DoesNotExist", &[]), None),
            (of("team", "DoesNotExist", &[]), Some("!team")),
        ] {
            assert_eq!(unmet(&selector, &labels).as_deref(), expected, "{selector}");
        }
    }

    #[test]
    fn namespaces_are_excluded_by_name() {
        let more = ["batch".to_owned(), "kube-public".to_owned()];
        let names = json!(["kube-system", "kube-public", "kube-node-lease", "batch"]);
        assert_eq!(without(&more)["values"], names);
        for (name, expected) in [("batch", true), ("kube-system", true), ("monitoring", false)] {
            assert_eq!(is_excluded(name, &more), expected, "{name}");
        }
    }

    fn of(key: &str, operator: &str, values: &[&str]) -> Value {
        json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]})
    }
}
