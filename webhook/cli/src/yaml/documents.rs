//! A stream's documents as pieces of its text, which together are the text.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::Value;
use serde_saphyr::{
    Options,
    granit_parser::{Event, Parser, ScalarStyle},
};

/// A document's value, as kubectl reads it.
pub(crate) fn read(document: &str) -> Result<Value, serde_saphyr::Error> {
    let document = without_directives(document);
    serde_saphyr::from_str_with_options(&with_texts(&document), options())
}

/// `document` with its directives as comments: they stand before the marker of their
/// document, and so at the end of the piece before.
fn without_directives(document: &str) -> Cow<'_, str> {
    let is_directive = |line: &str| {
        line.strip_prefix('%').is_some_and(|name| name.starts_with(|it: char| it.is_alphabetic()))
    };
    if !document.lines().any(is_directive) {
        return Cow::Borrowed(document);
    }
    let lines = document.split_inclusive('\n');
    lines
        .map(|line| if is_directive(line) { line.replacen('%', "#", 1) } else { line.into() })
        .collect()
}

/// The words of YAML 1.1 that are booleans, for kubectl as well.
///
/// <https://yaml.org/type/bool.html>
const BOOLEANS: [&str; 8] = ["y", "n", "yes", "no", "on", "off", "true", "false"];

/// Whether `word` is a text that the parser takes for a boolean: each of those has three
/// spellings only, as in `yes`, `Yes` and `YES`.
fn is_misspelt_boolean(word: &str) -> bool {
    let rest = word.get(1..).unwrap_or_default();
    BOOLEANS.iter().any(|boolean| word.eq_ignore_ascii_case(boolean))
        && rest != rest.to_ascii_lowercase()
        && word != word.to_ascii_uppercase()
}

/// `document` with quotes around the texts that the parser takes for booleans.
fn with_texts(document: &str) -> Cow<'_, str> {
    let mut words = document.split(|letter: char| !letter.is_ascii_alphabetic());
    if !words.any(is_misspelt_boolean) {
        return Cow::Borrowed(document);
    }
    let events = Parser::new_from_str(document).map_while(Result::ok);
    let ranges = events.filter_map(|(event, span)| match event {
        Event::Scalar(text, ScalarStyle::Plain, _, None) if is_misspelt_boolean(&text) => {
            let range = span.start.byte_offset()?..span.end.byte_offset()?;
            (document.get(range.clone())? == text).then_some(range)
        }
        _ => None,
    });
    let ranges: Vec<_> = ranges.collect();
    let mut quoted = document.to_owned();
    for range in ranges.into_iter().rev() {
        quoted.insert(range.end, '"');
        quoted.insert(range.start, '"');
    }
    Cow::Owned(quoted)
}

/// Whether a document is YAML at all, whatever it says.
pub(crate) fn is_yaml(document: &str) -> bool {
    let document = without_directives(document);
    serde_saphyr::from_str_with_options::<Option<IgnoredAny>>(&document, options()).is_ok()
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
