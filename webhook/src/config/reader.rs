//! Reads a document key by key, and keeps every error with its path.
//!
//! serde stops at the first error and knows no near misses; a person who edits a chart's
//! values wants all of them at once.

use std::str::FromStr;

use contract::{InvalidValue, SettingError, did_you_mean};
use serde_json::{Map, Value};

/// The document as plain data. A name such as 0815 is not a number. One anchor may have any
/// number of aliases, as in profiles that share a URL; what they expand to is limited.
pub(super) fn document(yaml: &str) -> Result<Value, Vec<SettingError>> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { enforce_alias_anchor_ratio: false },
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().next().unwrap_or_default().trim_start_matches("error: ");
        // What follows is advice for programmers.
        let reason = reason.split("; use ").next().unwrap_or_default();
        let reason = reason.split(", set ").next().unwrap_or_default();
        vec![InvalidValue::expected("one well-formed document").at("the YAML", reason)]
    })
}

/// Collects errors.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) errors: Vec<SettingError>,
}

/// A mapping whose keys are taken one after the other; the remaining ones are unknown.
pub(super) struct Section {
    path: String,
    fields: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Section {
    /// The value of `key`; one that is null or an empty text counts as absent,
    /// since templates leave such behind.
    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.fields.remove(key).filter(|value| !value.is_null() && value != "")
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Each entry with its name and path, where any name is allowed.
    pub(super) fn into_entries(self) -> Vec<(String, String, Value)> {
        let path = |name: &str| self.path_of(name);
        let paths: Vec<String> = self.fields.keys().map(|name| path(name)).collect();
        self.fields
            .into_iter()
            .zip(paths)
            .map(|((name, value), path)| (name, path, value))
            .collect()
    }
}

impl Reader {
    /// `value` as a mapping.
    pub(super) fn section(&mut self, path: &str, value: Value) -> Option<Section> {
        match value {
            Value::Object(fields) => {
                Some(Section { path: path.to_owned(), fields, known: Vec::new() })
            }
            Value::Null => {
                Some(Section { path: path.to_owned(), fields: Map::new(), known: Vec::new() })
            }
            other => {
                let name = if path.is_empty() { "the file" } else { path };
                self.wrong(name, &other, "a mapping of keys to values");
                None
            }
        }
    }

    /// The mapping at `key`, if there is one.
    pub(super) fn subsection(
        &mut self,
        section: &mut Section,
        key: &'static str,
    ) -> Option<Section> {
        let value = section.take(key)?;
        self.section(&section.path_of(key), value)
    }

    /// The items at `key`, each with its path.
    pub(super) fn list(
        &mut self,
        section: &mut Section,
        key: &'static str,
    ) -> Option<Vec<(String, Value)>> {
        let path = section.path_of(key);
        match section.take(key)? {
            Value::Array(items) => Some(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| (format!("{path}[{index}]"), item))
                    .collect(),
            ),
            other => {
                self.wrong(&path, &other, "a list");
                None
            }
        }
    }

    /// The scalar at `key`.
    pub(super) fn parsed<T: FromStr<Err = InvalidValue>>(
        &mut self,
        section: &mut Section,
        key: &'static str,
    ) -> Option<T> {
        self.parsed_with(section, key, str::parse)
    }

    /// The scalar at `key`, read by `parse`.
    pub(super) fn parsed_with<T>(
        &mut self,
        section: &mut Section,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> Option<T> {
        let value = section.take(key)?;
        self.value_with(&section.path_of(key), &value, parse)
    }

    /// The scalar at `key`, which is required.
    pub(super) fn required<T: FromStr<Err = InvalidValue>>(
        &mut self,
        section: &mut Section,
        key: &'static str,
        expected: &str,
    ) -> Option<T> {
        if section.fields.get(key).is_none_or(|value| value.is_null() || value == "") {
            self.errors.push(SettingError::missing(section.path_of(key), expected));
        }
        self.parsed(section, key)
    }

    /// A scalar.
    pub(super) fn value<T: FromStr<Err = InvalidValue>>(
        &mut self,
        path: &str,
        value: &Value,
    ) -> Option<T> {
        self.value_with(path, value, str::parse)
    }

    /// A scalar, read by `parse`. Numbers and booleans are texts that YAML has
    /// already looked at.
    pub(super) fn value_with<T>(
        &mut self,
        path: &str,
        value: &Value,
        parse: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> Option<T> {
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            other => {
                self.wrong(path, other, "a single value");
                return None;
            }
        };
        let shown = if text.contains('@') { "…" } else { &text };
        parse(&text).map_err(|error| self.errors.push(error.at(path, shown))).ok()
    }

    /// Whatever no one has asked for is an error.
    pub(super) fn reject_rest(&mut self, section: Section) {
        let names: Vec<String> = section.fields.keys().map(|name| section.path_of(name)).collect();
        let Section { fields, known, .. } = section;
        for (name, key) in names.into_iter().zip(fields.keys()) {
            let suggestion = did_you_mean(key, known.iter().copied());
            let expected = match suggestion {
                Some(_) => "a key that exists".to_owned(),
                None => format!("a key that exists: one of {}", known.join(", ")),
            };
            self.errors
                .push(SettingError { name, value: Some("…".into()), expected, suggestion });
        }
    }

    fn wrong(&mut self, path: &str, value: &Value, expected: &str) {
        let kind = match value {
            Value::Null => "null",
            Value::Array(_) => "a list",
            Value::Object(_) => "a mapping",
            _ => "a single value",
        };
        self.errors.push(InvalidValue::expected(expected).at(path, kind));
    }
}
