//! How a bad value is reported.

use std::fmt;

/// A value that is not accepted, by a parser that does not know its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidValue {
    /// What would be accepted, as the rest of a sentence "expected …".
    pub expected: String,
    /// The closest accepted value, if one is close.
    pub suggestion: Option<String>,
}

impl InvalidValue {
    /// A rejection with what is accepted instead.
    pub fn expected(what: impl Into<String>) -> Self {
        Self { expected: what.into(), suggestion: None }
    }

    /// A rejection of a word that is not one of `accepted`.
    pub fn one_of(value: &str, accepted: &[&str]) -> Self {
        Self {
            expected: format!("one of {}", accepted.join(", ")),
            suggestion: crate::did_you_mean(value, accepted.iter().copied()),
        }
    }

    /// The same as the error of the setting `name`, which has `value`.
    pub fn at(self, name: impl Into<String>, value: impl Into<String>) -> SettingError {
        SettingError {
            name: name.into(),
            value: Some(value.into()),
            expected: self.expected,
            suggestion: self.suggestion,
        }
    }
}

/// One error in a configuration: which name, what it says, what is accepted.
///
/// Its text is one line and never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    /// The variable, annotation or key.
    pub name: String,
    /// What it says; `None` where it is missing.
    pub value: Option<String>,
    /// What would be accepted, as the rest of a sentence "expected …".
    pub expected: String,
    /// The closest accepted value, if one is close.
    pub suggestion: Option<String>,
}

impl SettingError {
    /// A required name that is missing.
    pub fn missing(name: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { name: name.into(), value: None, expected: expected.into(), suggestion: None }
    }
}

/// Whether a text is what jq, templates and scripts write where a value is missing.
pub(crate) fn stands_for_nothing(text: &str) -> bool {
    ["null", "None", "nil", "<nil>", "<no value>", "undefined"].contains(&text)
}

/// A longer value is cut: the text must fit in a Kubernetes event (1024 bytes)
/// together with others.
const MAX_VALUE_CHARS: usize = 120;

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            None => write!(f, "{} is missing: expected {}", self.name, self.expected)?,
            Some(value) => {
                let shown: String = value.chars().take(MAX_VALUE_CHARS).collect();
                let cut = if shown.len() < value.len() { "…" } else { "" };
                write!(f, "{}={shown:?}{cut}: expected {}", self.name, self.expected)?;
                if stands_for_nothing(value) {
                    f.write_str(", and this is what jq and templates write for a missing value")?;
                }
            }
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, " (did you mean {suggestion:?}?)")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingError {}

/// All errors as one text: `1 error: …` or `3 errors: …; …; …`.
pub fn report(errors: &[SettingError]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let noun = if texts.len() == 1 { "error" } else { "errors" };
    format!("{} {noun}: {}", texts.len(), texts.join("; "))
}
