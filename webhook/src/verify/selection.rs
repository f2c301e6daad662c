//! Which namespaces and pods API servers ask the webhook about, by its configuration.
//! About any other it is never asked, however long the test waits.

use serde_json::Value;
use webhook::config::selection::unmet;

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_exclusion_is_named_with_its_remedy() {
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
