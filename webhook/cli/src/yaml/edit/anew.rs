//! What it means for a document to be written anew: its values stay, and how
//! they were written does not.

use json_patch::Patch;
use serde::Serialize;
use serde_json::Value;
use serde_saphyr::{
    SerializerOptions,
    granit_parser::{Event, Parser, ScalarStyle},
};

use super::ordered::Ordered;
use crate::yaml::documents::read;

/// The whole document in this program's style, as what it was: JSON or YAML.
pub(super) fn written(document: &str, patch: &Patch, wanted: &Value) -> Option<String> {
    let is_json = serde_json::from_str::<Value>(document).is_ok();
    let value = Ordered::patched(document, patch, wanted).unwrap_or_else(|| wanted.clone().into());
    let text = if is_json {
        serde_json::to_string_pretty(&value).ok()? + "\n"
    } else {
        let marker = if document.starts_with("---") { "---\n" } else { "" };
        let lines = yaml(&value, true).filter(|text| read(text).is_ok_and(|is| is == *wanted));
        format!("{marker}{}", lines.or_else(|| yaml(&value, false))?)
    };
    Some(if document.contains("\r\n") { text.replace('\n', "\r\n") } else { text })
}

/// Long texts stay on one line, as people write URLs; texts of several lines
/// are in quotes, or in blocks of `lines`.
pub(super) fn yaml(value: &impl Serialize, lines: bool) -> Option<String> {
    let mut options = SerializerOptions::default();
    options.prefer_block_scalars = lines;
    options.folded_wrap_chars = usize::MAX;
    serde_saphyr::to_string_with_options(value, options).ok()
}

/// Why a document cannot be edited in place, with the line, as far as known.
pub(crate) fn why(document: &str) -> String {
    match place(document, |event| matches!(event, Event::Alias(_))) {
        Some(line) => format!("an alias, the first at line {line},"),
        None => "its style".to_owned(),
    }
}

/// The line of a whole number that 64 bits do not hold: it is read as another.
pub(crate) fn loses(document: &str) -> Option<usize> {
    place(document, |event| {
        let Event::Scalar(text, ScalarStyle::Plain, ..) = event else { return false };
        let digits = text.trim_start_matches(['-', '+']);
        let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        whole && text.parse::<i64>().is_err() && text.parse::<u64>().is_err()
    })
}

fn place(document: &str, is: impl Fn(&Event<'_>) -> bool) -> Option<usize> {
    let mut events = Parser::new_from_str(document).map_while(Result::ok);
    let (_, span) = events.find(|(event, _)| is(event))?;
    let before = document.get(..span.start.byte_offset()?)?;
    Some(1 + before.matches('\n').count())
}
