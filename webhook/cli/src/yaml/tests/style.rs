//! The many ways to write one value.

use serde_json::Value;

/// The same value, written in many ways.
pub(crate) fn written(value: &Value, style: &mut impl FnMut() -> bool, column: usize) -> String {
    let indent = " ".repeat(column);
    let block = style();
    match value {
        Value::Object(map) if block && !map.is_empty() => {
            let comment = if style() { format!("{indent}# note\n") } else { String::new() };
            let entries = map.iter().map(|(name, value)| {
                let key = serde_json::to_string(name).unwrap();
                // Items may stand right below their key.
                let deeper = if value.is_array() && style() { 0 } else { 2 };
                format!("{comment}{indent}{key}:{}", nested(value, style, column + deeper))
            });
            entries.collect()
        }
        Value::Array(items) if block && !items.is_empty() => {
            let items = items.iter().map(|item| nested(item, style, column + 2));
            items.fold(String::new(), |text, item| text + &indent + "-" + &item)
        }
        other => format!("{indent}{other}\n"),
    }
}

fn nested(value: &Value, style: &mut impl FnMut() -> bool, column: usize) -> String {
    let text = written(value, style, column);
    let on_lines = matches!(value, Value::Object(_) | Value::Array(_))
        && !text.trim_start().starts_with(['{', '[']);
    if on_lines {
        let tail = if style() { " # here" } else { "" };
        format!("{tail}\n{text}")
    } else {
        format!(" {}", text.trim_start())
    }
}
