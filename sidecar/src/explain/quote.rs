//! The text of a response: the part that is shown, and its kind.
//!
//! It is written by others: it is shown on one line, escaped and cut.

use serde_json::Value;

use crate::upstream::Received;

/// So much of an answer's own text is shown.
const MAX_QUOTED_CHARS: usize = 300;
/// A product's name is shorter.
const MAX_PRODUCT_CHARS: usize = 60;
/// Header fields that tell who answered, if it was not Azure.
const PRODUCTS: [&str; 2] = ["server", "via"];
/// Header fields by which Microsoft's support finds a request.
const REQUEST_IDS: [&str; 3] = ["x-ms-request-id", "request-id", "x-ms-correlation-request-id"];

/// An answer's text, as far as it can be read.
pub(super) struct Text {
    /// The message of the response: error code and message of Azure's JSON, the title of
    /// a web page, or the text unchanged.
    words: String,
    /// All of it.
    pub(super) original: String,
    /// All of it, with ASCII letters in lower case, to search in.
    pub(super) lower: String,
    pub(super) kind: Kind,
}

/// The kind of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Empty,
    Json,
    /// A web page, which no ingestion endpoint sends.
    Html,
    /// Compressed, though no one asked for it: it cannot be read here.
    Compressed(&'static str),
    Plain,
}

impl Text {
    pub(super) fn of(received: &Received) -> Self {
        if let Some(method) = compression(received) {
            let kind = Kind::Compressed(method);
            let (words, original, lower) = Default::default();
            return Self { words, original, lower, kind };
        }
        let text = String::from_utf8_lossy(&received.body);
        let lower = text.to_ascii_lowercase();
        let json: Option<Value> = serde_json::from_str(&text).ok();
        let (words, kind) = match &json {
            _ if text.trim().is_empty() => (String::new(), Kind::Empty),
            Some(json) => (said(json).unwrap_or_else(|| text.to_string()), Kind::Json),
            None if received.is_page() => (page(&text, &lower), Kind::Html),
            None => (text.to_string(), Kind::Plain),
        };
        Self { words, original: text.into_owned(), lower, kind }
    }

    /// Whether the text, in lower case and without anything but letters and
    /// digits, has one of these in it.
    pub(super) fn mentions(&self, any: &[&str]) -> bool {
        let letters: String = self.lower.chars().filter(|c| c.is_alphanumeric()).collect();
        any.iter().any(|word| letters.contains(word))
    }

    /// The text as a quotation of `who`.
    pub(super) fn quoted(&self, who: &str) -> String {
        match self.kind {
            Kind::Compressed(method) => {
                format!("the answer's text is compressed ({method}) and cannot be shown")
            }
            Kind::Empty => "no reason is given".to_owned(),
            Kind::Json | Kind::Html | Kind::Plain => {
                format!("{who} says {:?}", cut(&self.words, MAX_QUOTED_CHARS))
            }
        }
    }
}

/// Azure's error: its code, and its message.
fn said(json: &Value) -> Option<String> {
    let error = json.get("error").filter(|error| error.is_object()).unwrap_or(json);
    let text = |names: [&str; 2]| names.iter().find_map(|name| error.get(name)?.as_str());
    let (code, message) = (text(["code", "Code"]), text(["message", "Message"]));
    match (code, message) {
        (Some(code), Some(message)) if !message.contains(code) => {
            Some(format!("{code}: {message}"))
        }
        (_, Some(message)) => Some(message.to_owned()),
        (Some(code), None) => Some(code.to_owned()),
        (None, None) => None,
    }
}

/// A page's title, or its text without the tags.
fn page(text: &str, lower: &str) -> String {
    let title = || {
        let (_, rest) = lower.split_once("<title")?;
        let from = lower.len() - rest.len() + rest.find('>')? + 1;
        let to = from + lower.get(from..)?.find("</title")?;
        text.get(from..to).filter(|title| !title.trim().is_empty())
    };
    title().map_or_else(|| without_tags(text), str::to_owned)
}

fn without_tags(text: &str) -> String {
    let mut inside = false;
    let outside = text.chars().map(|c| match c {
        '<' => {
            inside = true;
            ' '
        }
        '>' if inside => {
            inside = false;
            ' '
        }
        _ if inside => ' ',
        c => c,
    });
    outside.collect()
}

/// How the body is compressed, by its header or by its first bytes.
fn compression(received: &Received) -> Option<&'static str> {
    const METHODS: [(&str, &[u8]); 4] = [
        ("gzip", &[0x1f, 0x8b]),
        ("zstd", &[0x28, 0xb5, 0x2f, 0xfd]),
        ("deflate", &[0x78, 0x9c]),
        ("br", &[]),
    ];
    let named = received.field("content-encoding").map(str::to_ascii_lowercase);
    let by_name = |name: &str| named.as_deref().is_some_and(|named| named.ends_with(name));
    let by_bytes = |start: &[u8]| !start.is_empty() && received.body.starts_with(start);
    let found = METHODS.iter().find(|(name, start)| by_name(name) || by_bytes(start));
    found.map(|(name, _)| *name)
}

/// On one line, at most so many characters.
fn cut(text: &str, max: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let mut cut: String = line.chars().take(max).collect();
    if cut.len() < line.len() {
        cut.push('…');
    }
    cut
}

/// Who answered, by its own account: ` (server: envoy)`, or nothing.
pub(super) fn products(received: &Received) -> String {
    listed(received, &PRODUCTS, MAX_PRODUCT_CHARS)
}

/// By what the request is found: ` (x-ms-request-id: …)`, or nothing.
pub(super) fn request_ids(received: &Received) -> String {
    listed(received, &REQUEST_IDS, MAX_PRODUCT_CHARS)
}

fn listed(received: &Received, names: &[&str], max: usize) -> String {
    let field = |name: &&str| {
        let value = received.field(name).filter(|value| !value.is_empty())?;
        let value: String = cut(value, max).chars().filter(|c| !c.is_control()).collect();
        Some(format!("{name}: {value}"))
    };
    let found: Vec<String> = names.iter().filter_map(field).collect();
    if found.is_empty() { String::new() } else { format!(" ({})", found.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: &str, body: impl Into<Vec<u8>>) -> Text {
        let fields = vec![("content-type".to_owned(), kind.to_owned())];
        Text::of(&Received { status: 403, fields, body: body.into() })
    }

    #[test]
    fn each_kind_of_text_is_recognised_and_shown_on_one_line() {
        for (kind, body, expected, shown) in [
            ("", " \r\n", Kind::Empty, "no reason is given"),
            (
                "application/json",
                r#"{"error":{"code":"Denied","message":"say \"please\""}}"#,
                Kind::Json,
                r#"Azure says "Denied: say \"please\"""#,
            ),
            ("", r#"{"Message":"no\nway"}"#, Kind::Json, r#"Azure says "no way""#),
            ("", r#"{"odd":1}"#, Kind::Json, r#"Azure says "{\"odd\":1}""#),
            (
                "text/html",
                "<html><head><TITLE lang=\"en\">Access\n Denied</TITLE></head><body>x</body>",
                Kind::Html,
                r#"Azure says "Access Denied""#,
            ),
            ("", "<!DOCTYPE html><p>Blocked</p>by <b>us</b>", Kind::Html, "\"Blocked by us\""),
            ("text/plain", "RBAC: access denied", Kind::Plain, "\"RBAC: access denied\""),
        ] {
            let text = text(kind, body);
            assert_eq!(text.kind, expected, "{body}");
            assert!(text.quoted("Azure").contains(shown), "{}", text.quoted("Azure"));
        }
    }

    #[test]
    fn a_compressed_text_is_said_to_be_one() {
        let gzip = text("text/html", [0x1f, 0x8b, 8, 0, 1, 2]);
        assert_eq!(gzip.kind, Kind::Compressed("gzip"));
        assert!(gzip.quoted("Azure").contains("compressed (gzip)"));
        let fields = vec![("content-encoding".to_owned(), "BR".to_owned())];
        let brotli = Text::of(&Received { status: 403, fields, body: b"x".to_vec() });
        assert_eq!(brotli.kind, Kind::Compressed("br"));
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let shown = text("", "ä".repeat(10_000)).quoted("Azure");
        assert!(shown.ends_with("ä…\"") && shown.chars().count() < 330, "{shown}");
        let page = text("text/html", format!("<title>{}</TITLE>", "İ".repeat(10)));
        assert_eq!(page.quoted("it"), format!("it says \"{}\"", "İ".repeat(10)));
    }
}
