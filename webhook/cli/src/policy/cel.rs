//! Texts of CEL, in which Kubernetes' policies are written, made of JSON.

use serde_json::Value;

/// A longer object or list gets a line for each of its parts.
const LINE_CHARS: usize = 90;

/// A text. What JSON escapes, CEL escapes in the same way.
pub(super) fn text(text: &str) -> String {
    Value::from(text).to_string()
}

/// A list of texts.
pub(super) fn texts<T: AsRef<str>>(all: impl IntoIterator<Item = T>) -> String {
    list(all.into_iter().map(|one| text(one.as_ref())))
}

/// A list of expressions.
pub(super) fn list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    enclosed("[", &items, "]")
}

/// An object of the type `of`.
pub(super) fn object(of: &str, fields: impl IntoIterator<Item = (String, String)>) -> String {
    let field = |(name, value): (String, String)| format!("{name}: {value}");
    let fields: Vec<String> = fields.into_iter().map(field).collect();
    enclosed(&format!("{of}{{"), &fields, "}")
}

/// `value` as it is written down. Its objects have types, named after the way to them
/// from `of`: the values of an untyped map must all have one type.
pub(super) fn literal(value: &Value, of: &str) -> String {
    match value {
        Value::Object(map) => object(
            of,
            map.iter().map(|(name, value)| (name.clone(), literal(value, &format!("{of}.{name}")))),
        ),
        Value::Array(items) => list(items.iter().map(|item| literal(item, of))),
        Value::String(one) => text(one),
        scalar => scalar.to_string(),
    }
}

/// Whether what is at `path` is `expected`, apart from fields called `ignored`.
pub(super) fn is_same(path: &str, expected: &Value, ignored: &[&str]) -> String {
    let mut conditions = Vec::new();
    collect(path, expected, ignored, &mut conditions);
    conditions.join(" && ")
}

fn collect(path: &str, expected: &Value, ignored: &[&str], conditions: &mut Vec<String>) {
    match expected {
        Value::Object(map) => {
            let known = map.keys().map(String::as_str).chain(ignored.iter().copied());
            conditions.push(format!("{path}.all(k, k in {})", texts(known)));
            for (name, value) in map {
                conditions.push(format!("has({path}.{name})"));
                collect(&format!("{path}.{name}"), value, ignored, conditions);
            }
        }
        Value::Array(items) => {
            conditions.push(format!("size({path}) == {}", items.len()));
            for (index, item) in items.iter().enumerate() {
                collect(&format!("{path}[{index}]"), item, ignored, conditions);
            }
        }
        scalar => conditions.push(format!("{path} == {}", literal(scalar, ""))),
    }
}

fn enclosed(begin: &str, parts: &[String], end: &str) -> String {
    let line = format!("{begin}{}{end}", parts.join(", "));
    if line.len() <= LINE_CHARS && !line.contains('\n') {
        return line;
    }
    format!("{begin}\n  {}\n{end}", indented(&parts.join(",\n")))
}

/// Two spaces before each line but the first.
pub(super) fn indented(text: &str) -> String {
    text.replace('\n', "\n  ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_becomes_typed_objects() {
        let value = json!({"name": "a\"b", "ports": [{"port": 1}], "limits": {}});
        assert_eq!(
            literal(&value, "Object.c"),
            r#"Object.c{limits: Object.c.limits{}, name: "a\"b", ports: [Object.c.ports{port: 1}]}"#
        );
    }

    #[test]
    fn long_expressions_are_wrapped() {
        let text = texts(["a".repeat(50), "b".repeat(50)]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(matches!(lines.as_slice(), ["[", first, second, "]"]
            if first.starts_with("  \"a") && second.ends_with('"')));
    }

    #[test]
    fn sameness_is_asked_field_by_field() {
        assert_eq!(
            is_same("v", &json!({"a": {"b": [1]}}), &["mode"]),
            r#"v.all(k, k in ["a", "mode"]) && has(v.a) && v.a.all(k, k in ["b", "mode"]) && has(v.a.b) && size(v.a.b) == 1 && v.a.b[0] == 1"#
        );
    }
}
