//! The nodes that a pod may run on, as far as its spec shows.

use serde_json::Value;

use super::{Pod, items};

/// A node's operating system; the second name is the one before Kubernetes 1.14.
const OS_LABELS: [&str; 2] = ["kubernetes.io/os", "beta.kubernetes.io/os"];
/// A label that only Windows nodes have.
const WINDOWS_BUILD: &str = "node.kubernetes.io/windows-build";

impl Pod<'_> {
    /// Whether it can run on Windows nodes only: by its operating system, its node
    /// selector, its required node affinity, or security options that only Windows has.
    pub fn is_windows(self) -> bool {
        let os = self.spec_at(&["os", "name"]).and_then(Value::as_str).is_some_and(is_windows);
        os || self.selects_windows() || self.requires_windows() || self.has_windows_options()
    }

    /// An empty object has no meaning: some tools write it into every pod.
    fn has_windows_options(self) -> bool {
        let has = |context: Option<&Value>| {
            let options = context.and_then(|context| context.get("windowsOptions"));
            options.and_then(Value::as_object).is_some_and(|options| !options.is_empty())
        };
        has(self.spec_at(&["securityContext"]))
            || self.containers().any(|container| has(container.raw.get("securityContext")))
    }

    fn selects_windows(self) -> bool {
        let Some(selector) = self.spec_at(&["nodeSelector"]) else { return false };
        let value = |name| selector.get(name).and_then(Value::as_str);
        OS_LABELS.into_iter().any(|name| value(name).is_some_and(is_windows))
            || value(WINDOWS_BUILD).is_some()
    }

    /// One term is enough for a node, so each of them must demand Windows.
    fn requires_windows(self) -> bool {
        const TERMS: [&str; 4] = [
            "affinity",
            "nodeAffinity",
            "requiredDuringSchedulingIgnoredDuringExecution",
            "nodeSelectorTerms",
        ];
        let mut terms = items(self.spec_at(&TERMS)).peekable();
        terms.peek().is_some()
            && terms.all(|term| items(term.get("matchExpressions")).any(demands_windows))
    }
}

fn demands_windows(expression: &Value) -> bool {
    let text = |name| expression.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut values = items(expression.get("values")).filter_map(Value::as_str).peekable();
    match (text("key"), text("operator")) {
        (key, "In") if OS_LABELS.contains(&key) => {
            values.peek().is_some() && values.all(is_windows)
        }
        (key, "NotIn") if OS_LABELS.contains(&key) => {
            values.any(|value| value.eq_ignore_ascii_case("linux"))
        }
        (WINDOWS_BUILD, "In" | "Exists") => true,
        _ => false,
    }
}

fn is_windows(os: &str) -> bool {
    os.eq_ignore_ascii_case("windows")
}
