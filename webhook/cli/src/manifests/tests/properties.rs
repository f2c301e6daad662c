//! What holds for any text.

use proptest::prelude::*;

use super::*;

/// The same pod, written in many ways.
fn written(value: &Value, style: &mut impl FnMut() -> bool, column: usize) -> String {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn however_it_is_written_it_means_the_same(
        styles in prop::collection::vec(prop::bool::weighted(0.9), 1..40),
        profile in prop::sample::select(vec!["default", "application", "stack"]),
    ) {
        let pod = prometheus(&[("inject", "true"), ("profile", profile)]);
        let mut styles = styles.iter().cycle();
        let text = written(&pod, &mut || *styles.next().unwrap(), 0);
        let before: Value = serde_saphyr::from_str(&text).unwrap();
        prop_assert_eq!(&before, &pod, "{}", text);
        let injected = inject(&config_file(), &text).unwrap();
        assert_same_meaning(&text, &injected.text);
        let comments = |text: &str| text.matches("# ").count();
        prop_assert_eq!(comments(&text), comments(&injected.text), "written anew: {}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-{}\\[\\]a:#&*|> \n'\"]{0,60}") {
        let text = format!("{text}\nprom-remotewrite/inject: 'true'");
        let _ = inject(&config_file(), &text);
        let _ = explain::explain(&config_file(), &text);
    }
}
