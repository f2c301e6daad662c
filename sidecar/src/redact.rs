//! Removes secrets from text of others. Pure.
//!
//! An upstream, a token service or something in between may send back what it
//! received. Such text reaches logs, `check` and Prometheus, so it is redacted
//! where it is read.

use std::{collections::HashSet, ops::Range};

use base64::{Engine as _, engine::DecodePaddingMode, engine::general_purpose};

/// Shown in place of a secret.
const HIDDEN: &str = "…";
/// How the header of every JSON Web Token begins, in base64: `{"`.
const JWT: &str = "eyJ";
/// This many bytes of a known secret in a row are recognised: fewer occur by chance.
const KNOWN_BYTES: usize = 16;
/// A run of this many characters that change their kind as often as in base64 is
/// part of a token or a key.
const RANDOM_BYTES: usize = 64;
/// In base64 six of ten neighbours differ in kind; in the resource ids of Azure's
/// messages, which consist of words and GUIDs, less than two.
const MIN_CHANGES_IN_TEN: usize = 4;
/// Shorter base64 of `user:password` cannot be distinguished from a word.
const MIN_CREDENTIALS_BYTES: usize = 8;
/// A token that is no JSON Web Token, after the word `Bearer`.
const MIN_BEARER_BYTES: usize = 20;

/// `text` without tokens, credentials and users of URLs, and without any part of the
/// `known` secrets.
pub(crate) fn text(text: &str, known: &[&str]) -> String {
    let mut secrets = known_secrets(text, known);
    secrets.extend(tokens(text));
    secrets
        .extend(runs(text).into_iter().filter(|run| text.get(run.clone()).is_some_and(is_secret)));
    secrets.extend(userinfo(text));
    secrets.sort_unstable_by_key(|range| range.start);
    let mut shown = String::with_capacity(text.len());
    let mut end = 0;
    for secret in secrets {
        if secret.start > end || shown.is_empty() {
            shown.push_str(text.get(end..secret.start).unwrap_or_default());
            shown.push_str(HIDDEN);
        }
        end = end.max(secret.end);
    }
    shown + text.get(end..).unwrap_or_default()
}

/// The parts of the known secrets, wherever they are.
fn known_secrets(text: &str, known: &[&str]) -> Vec<Range<usize>> {
    let long = known.iter().filter(|secret| secret.len() >= KNOWN_BYTES);
    let parts: HashSet<&[u8]> =
        long.flat_map(|secret| secret.as_bytes().windows(KNOWN_BYTES)).collect();
    if parts.is_empty() {
        return Vec::new();
    }
    let places = text.as_bytes().windows(KNOWN_BYTES).enumerate();
    let found = places.filter(|(_, window)| parts.contains(window));
    found.map(|(place, _)| place..place + KNOWN_BYTES).collect()
}

/// JSON Web Tokens or their beginnings, and what follows the word `Bearer`.
fn tokens(text: &str) -> Vec<Range<usize>> {
    let until_end = |start: usize| {
        let rest = text.get(start..).unwrap_or_default();
        start..start + rest.bytes().take_while(|byte| is_token(*byte)).count()
    };
    let lower = text.to_ascii_lowercase();
    let bearers = lower.match_indices("bearer").filter_map(|(place, word)| {
        let start = place + word.len();
        let gap = text.get(start..)?.bytes().take_while(|byte| !is_token(*byte)).count();
        let token = until_end(start + gap);
        (token.len() >= MIN_BEARER_BYTES).then_some(token)
    });
    text.match_indices(JWT).map(|(place, _)| until_end(place)).chain(bearers).collect()
}

/// RFC 6750, 2.1, and percent-encoding.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b'%')
}

/// Runs of base64 characters, also where JSON or a URL escapes them.
fn runs(text: &str) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut place = 0;
    while let Some(rest) = text.as_bytes().get(place..).filter(|rest| !rest.is_empty()) {
        let length = base64_length(rest);
        match runs.last_mut() {
            Some(run) if length > 0 && run.end == place => run.end += length,
            _ if length > 0 => runs.push(place..place + length),
            _ => {}
        }
        place += length.max(1);
    }
    runs
}

/// Escaped forms of `/`, `+` and `=`.
const ESCAPED: [(&str, &str); 10] = [
    (r"\/", "/"),
    (r"\u002f", "/"),
    (r"\u002F", "/"),
    (r"\u002b", "+"),
    (r"\u002B", "+"),
    ("%2F", "/"),
    ("%2f", "/"),
    ("%2B", "+"),
    ("%2b", "+"),
    (r"\u003d", "="),
];

/// The length of the base64 character that `bytes` begin with; 0 where none does.
fn base64_length(bytes: &[u8]) -> usize {
    match bytes.first() {
        Some(byte) if byte.is_ascii_alphanumeric() || b"+/-_".contains(byte) => 1,
        Some(b'\\' | b'%') => {
            let escape = ESCAPED.iter().find(|(form, _)| bytes.starts_with(form.as_bytes()));
            escape.map_or(0, |(form, _)| form.len())
        }
        _ => 0,
    }
}

/// Whether a run is part of a token, or `user:password` as basic credentials are.
fn is_secret(run: &str) -> bool {
    (run.len() >= RANDOM_BYTES && is_random(run))
        || (run.len() >= MIN_CREDENTIALS_BYTES && holds_credentials(run))
}

/// Whether small letters, capitals and digits alternate as in base64.
fn is_random(run: &str) -> bool {
    let kinds = |byte: &u8| {
        let kinds = [byte.is_ascii_lowercase(), byte.is_ascii_uppercase(), byte.is_ascii_digit()];
        kinds.into_iter().position(|is| is)
    };
    let kinds: Vec<Option<usize>> = run.as_bytes().iter().map(kinds).collect();
    let changes = |pair: &&[Option<usize>]| matches!(pair, [Some(one), Some(next)] if one != next);
    (0..3).all(|kind| kinds.contains(&Some(kind)))
        && kinds.windows(2).filter(changes).count() * 10 >= run.len() * MIN_CHANGES_IN_TEN
}

fn holds_credentials(run: &str) -> bool {
    let plain = ESCAPED.iter().fold(run.to_owned(), |run, (form, byte)| run.replace(form, byte));
    let plain = plain.replace('-', "+").replace('_', "/");
    // A truncated end does not prevent reading the rest.
    let whole = plain.get(..plain.len() / 4 * 4).unwrap_or_default();
    let lenient = general_purpose::GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = general_purpose::GeneralPurpose::new(&base64::alphabet::STANDARD, lenient);
    let decoded = engine.decode(whole).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.is_some_and(|text| text.contains(':') && !text.contains(char::is_control))
}

/// User and password of URLs: everything up to the last `@` of a word, because a password
/// may contain any character.
fn userinfo(text: &str) -> Vec<Range<usize>> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>');
    let found = text.match_indices("://").filter_map(|(place, mark)| {
        let start = place + mark.len();
        let word = text.get(start..)?.split(ends).next()?;
        Some(start..start + word.rfind('@')?)
    });
    found.collect()
}

#[cfg(test)]
mod tests;
