//! What it means for a document to be written anew: its values stay, and how
//! they were written does not.

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle};

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
