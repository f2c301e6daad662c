//! The tables of the webhook's configuration are its schema. `UPDATE_EXPECT=1` writes
//! them again.

use std::fs;

use serde_json::Value;
use tests::machine::environment;

use super::{WRITING, help::with_section, root};

#[test]
fn the_configurations_tables_are_its_schema() {
    let file = root().join("webhook/README.md");
    let _writing = WRITING.blocking_lock();
    let before = fs::read_to_string(&file).unwrap();
    let schema = webhook::config::schema();
    let properties = |path: &str| schema.pointer(path).unwrap();
    let text = with_section(&before, "configuration", &table(properties("/properties")));
    let profile = properties("/properties/profiles/additionalProperties/properties");
    let text = with_section(&text, "profile", &table(profile));
    if environment::variable("UPDATE_EXPECT").is_some() {
        fs::write(&file, &text).unwrap();
    } else {
        assert!(text == before, "webhook/README.md is stale: `just bless` writes it anew");
    }
}

/// One row for each key that is not a mere holder of others.
fn table(properties: &Value) -> String {
    let mut rows =
        vec!["| key | meaning | accepted | default |".to_owned(), "|---|---|---|---|".to_owned()];
    rows_of(properties, "", &mut rows);
    rows.join("\n")
}

fn rows_of(properties: &Value, prefix: &str, rows: &mut Vec<String>) {
    for (key, schema) in properties.as_object().unwrap() {
        let name = format!("{prefix}{key}");
        match schema.get("properties") {
            Some(inner) => rows_of(inner, &format!("{name}."), rows),
            None => rows.push(row(&name, schema)),
        }
    }
}

fn row(name: &str, schema: &Value) -> String {
    let meaning = schema["description"].as_str().unwrap_or_else(|| panic!("{name}: no meaning"));
    let words = |list: &Value| {
        let words = list.as_array().unwrap().iter().map(|word| word.as_str().unwrap());
        words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
    };
    let accepted = match (schema.get("enum"), &schema["type"]) {
        (Some(list), _) => words(list),
        (None, Value::Array(kinds)) => {
            kinds.iter().map(|kind| kind.as_str().unwrap()).collect::<Vec<_>>().join(" or ")
        }
        (None, kind) => kind.as_str().unwrap_or_default().to_owned(),
    };
    let default = match schema.get("default") {
        None => String::new(),
        Some(list @ Value::Array(_)) => words(list),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(other) => format!("`{other}`"),
    };
    format!("| `{name}` | {meaning} | {accepted} | {default} |")
}
