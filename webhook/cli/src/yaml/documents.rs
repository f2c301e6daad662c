//! A stream's documents as pieces of its text, which together are the text.

use serde::de::IgnoredAny;
use serde_json::Value;
use serde_saphyr::Options;
#[cfg(test)]
use serde_saphyr::granit_parser::{Event, Parser};

/// A document's value.
pub(crate) fn read(document: &str) -> Result<Value, serde_saphyr::Error> {
    serde_saphyr::from_str_with_options(document, options())
}

/// Whether a document is YAML at all, whatever it says; directives stand before the
/// marker of their document.
pub(crate) fn is_yaml(document: &str) -> bool {
    document.lines().any(|line| line.starts_with('%'))
        || serde_saphyr::from_str_with_options::<Option<IgnoredAny>>(document, options()).is_ok()
}

/// How documents are read. A number that begins with 0 is octal, as it is for
/// kubectl and as modes of files are written. One anchor may have any number of aliases,
/// as in a list whose entries share a text; what they expand to is limited.
fn options() -> Options {
    serde_saphyr::options! {
        legacy_octal_numbers: true,
        budget: serde_saphyr::budget! { enforce_alias_anchor_ratio: false },
    }
}

/// Every document with the marker that begins it. A line that begins with `---`
/// is always a marker, also within a block of text: YAML 1.2, production 206.
pub(crate) fn documents(text: &str) -> Vec<&str> {
    let mut starts = vec![0];
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if offset > 0 && is_marker(line) {
            starts.push(offset);
        }
        offset += line.len();
    }
    starts.push(text.len());
    starts.windows(2).filter_map(|pair| text.get(*pair.first()?..*pair.last()?)).collect()
}

/// How many comments a document has.
#[cfg(test)]
pub(crate) fn comments(document: &str) -> usize {
    let events = Parser::new_from_str(document).map_while(Result::ok);
    events.filter(|(event, _)| matches!(event, Event::Comment(..))).count()
}

fn is_marker(line: &str) -> bool {
    line.strip_prefix("---")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}
