//! Which namespaces and pods API servers ask the webhook about, by its configuration.
//! About any other it is never asked, however long the test waits.

use serde_json::Value;

/// Why API servers do not ask `webhook` about pods in this namespace, which has these
/// labels; `None` if they do.
pub(super) fn excludes_namespace(
    webhook: &Value,
    namespace: &str,
    labels: &Value,
) -> Option<String> {
    let unmet = unmet(webhook.get("namespaceSelector")?, labels)?;
    Some(format!(
        "namespace {namespace} is excluded: API servers ask the webhook only about namespaces with {unmet} (webhook.excludedNamespaces, webhook.namespaceSelector); set test.namespace to one of these"
    ))
}

/// Why API servers do not ask `webhook` about pods with these labels; `None` if they do.
pub(super) fn excludes_pods(webhook: &Value, labels: &Value) -> Option<String> {
    let unmet = unmet(webhook.get("objectSelector")?, labels)?;
    Some(format!(
        "the test's pods are excluded: API servers ask the webhook only about pods with {unmet} (webhook.objectSelector); set test.podLabels to labels that it selects"
    ))
}

/// The first requirement of the selector that the labels do not meet, as kubectl writes
/// it: `team in (a,b)`.
///
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>
fn unmet(selector: &Value, labels: &Value) -> Option<String> {
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
    use serde_json::json;

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
    fn what_is_excluded_is_named_with_its_remedy() {
        let webhook = json!({
            "namespaceSelector": of("kubernetes.io/metadata.name", "NotIn", &["kube-system", "two"]),
            "objectSelector": {"matchLabels": {"app": "prometheus"}},
        });
        let labels = json!({"kubernetes.io/metadata.name": "two"});
        assert_eq!(
            excludes_namespace(&webhook, "two", &labels).unwrap(),
            "namespace two is excluded: API servers ask the webhook only about namespaces with kubernetes.io/metadata.name notin (kube-system,two) (webhook.excludedNamespaces, webhook.namespaceSelector); set test.namespace to one of these"
        );
        let labels = json!({"kubernetes.io/metadata.name": "three"});
        assert_eq!(excludes_namespace(&webhook, "three", &labels), None);
        assert!(excludes_pods(&webhook, &json!({})).unwrap().contains("app in (prometheus)"));
        assert_eq!(excludes_pods(&webhook, &json!({"app": "prometheus"})), None);
        assert_eq!(excludes_pods(&json!({}), &json!({})), None);
    }

    fn of(key: &str, operator: &str, values: &[&str]) -> Value {
        json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]})
    }
}
