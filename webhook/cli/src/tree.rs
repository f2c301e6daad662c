//! Ways through a value: keys, and items' numbers.

use serde_json::Value;

/// Each child with its name: a key, or an item's number.
pub(crate) fn each_child<'a>(node: &'a Value, mut visit: impl FnMut(String, &'a Value)) {
    let items = node.as_array().into_iter().flatten().enumerate();
    let items = items.map(|(index, child)| (index.to_string(), child));
    let entries = node.as_object().into_iter().flatten();
    let entries = entries.map(|(name, child)| (name.clone(), child));
    entries.chain(items).for_each(|(name, child)| visit(name, child));
}

/// The node that `path` leads to.
pub(crate) fn at<'a, S: AsRef<str>>(node: &'a Value, path: &[S]) -> Option<&'a Value> {
    path.iter().try_fold(node, |node, name| match node {
        Value::Array(items) => items.get(name.as_ref().parse::<usize>().ok()?),
        other => other.get(name.as_ref()),
    })
}

/// Keys below which no one writes: fields that the cluster and kubectl set.
const THEIRS: [&str; 3] =
    ["managedFields", "kubectl.kubernetes.io/last-applied-configuration", "status"];

/// Visits `node`, and its children where `visit` says so; not what no one writes.
pub(crate) fn walk(node: &Value, visit: &mut impl FnMut(&Value, &[String]) -> bool) {
    below(node, &mut Vec::new(), visit);
}

fn below(node: &Value, path: &mut Vec<String>, visit: &mut impl FnMut(&Value, &[String]) -> bool) {
    if !visit(node, path) {
        return;
    }
    each_child(node, |name, child| {
        if !THEIRS.contains(&name.as_str()) {
            path.push(name);
            below(child, path, visit);
            path.pop();
        }
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_set_by_the_cluster_are_not_visited() {
        let value = json!({"a": [{"b": 1}], "status": {"c": 2}, "metadata": {"managedFields": []}});
        let mut seen = Vec::new();
        walk(&value, &mut |_, path| {
            seen.push(path.join("."));
            path != ["a", "0"]
        });
        assert_eq!(seen, ["", "a", "a.0", "metadata"]);
        assert_eq!(at(&value, &["a", "0", "b"]), Some(&json!(1)));
        assert_eq!(at(&value, &["a", "b"]), None);
    }
}
