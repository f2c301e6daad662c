//! Documents as values, and in plain words why one is none.

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::manifests::{self, ManifestError};

/// What the parser says to programmers, and what it means to people.
const PLAIN: [(&str, &str); 5] = [
    ("error: ", ""),
    (", set DuplicateKeyPolicy in Options if acceptable", ""),
    ("non-finite float", "neither JSON nor Kubernetes has the number"),
    // So has it one of Microsoft's own examples, of 2022.
    (
        "tabs disallowed within this context (block indentation)",
        "a tab, and YAML is indented with spaces alone",
    ),
    (" rejected by the configured policy", ""),
];

/// The value of a document.
///
/// # Errors
/// Where it is no YAML, or has what no object of Kubernetes can have.
pub(super) fn value(number: usize, document: &str) -> Result<Value, ManifestError> {
    manifests::parse(number, document).map_err(|error| match error {
        ManifestError::Yaml { number, reason } => {
            ManifestError::Yaml { number, reason: plain(&reason) }
        }
        other => other,
    })
}

/// Whether a document that is about something else is YAML at all; what it says
/// does not matter. Directives stand before the marker of their document.
///
/// # Errors
/// Where it is none.
pub(super) fn check(number: usize, document: &str) -> Result<(), ManifestError> {
    if document.lines().any(|line| line.starts_with('%')) {
        return Ok(());
    }
    let is: Result<Option<IgnoredAny>, _> = serde_saphyr::from_str(document);
    is.map(drop).map_err(|error| {
        let reason = error.to_string();
        let reason = plain(reason.lines().next().unwrap_or_default());
        ManifestError::Yaml { number, reason }
    })
}

fn plain(reason: &str) -> String {
    PLAIN.iter().fold(reason.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}
