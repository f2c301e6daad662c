//! An answer's head, reduced to what is acted on.

use super::{
    Framing, MAX_FIELDS,
    fields::{Lengths, Persistence},
    head::{HeadError, head_length},
};

/// The head of Azure's answer.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    /// The allow-listed header fields: name in lower case, value.
    pub(crate) fields: Vec<(String, String)>,
}

/// Of a change of protocols, for which nobody asked.
const SWITCHING: u16 = 101;

impl ResponseHead {
    /// Whether another answer follows (RFC 9110, 15.2): after a change of
    /// protocols none does.
    pub(crate) const fn is_interim(&self) -> bool {
        matches!(self.status, 100..=199) && self.status != SWITCHING
    }
}

/// The header fields that come back to Prometheus or that we act on.
const KEPT: [&str; 6] = [
    "content-type",
    "date",
    "retry-after",
    "x-prometheus-remote-write-samples-written",
    "x-prometheus-remote-write-histograms-written",
    "x-prometheus-remote-write-exemplars-written",
];

/// Reads a head from the start of `input`: it and its length, or `None` while
/// it is not complete.
pub(crate) fn parse_response(input: &[u8]) -> Result<Option<(ResponseHead, usize)>, HeadError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let Some(length) = head_length(response.parse(input), input.len())? else { return Ok(None) };
    // RFC 9110, 15: three digits, of which the first says what it means.
    let status = response.code.filter(|code| *code >= 100).ok_or(HeadError::Malformed)?;
    let mut lengths = Lengths::default();
    let mut persistence = Persistence::default();
    let mut kept = Vec::new();
    for field in response.headers.iter() {
        lengths.see(field.name, field.value);
        persistence.see(field.name, field.value);
        let name = KEPT.iter().find(|name| field.name.eq_ignore_ascii_case(name));
        if let (Some(name), Ok(value)) = (name, std::str::from_utf8(field.value)) {
            kept.push(((*name).to_owned(), value.trim().to_owned()));
        }
    }
    // RFC 9112, 6.3: these have no body, whatever their fields say. Where lengths
    // contradict each other the status still counts, and the connection ends.
    let framing = match status {
        100..=199 | 204 | 304 => Framing::Empty,
        _ => lengths.framing().unwrap_or(Framing::UntilClose),
    };
    let keep_alive = persistence.keeps_alive(response.version.unwrap_or(0))
        && framing != Framing::UntilClose
        && status != SWITCHING;
    Ok(Some((ResponseHead { status, framing, keep_alive, fields: kept }, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> ResponseHead {
        parse_response(text.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn the_end_of_an_answer() {
        let head = parsed("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n");
        assert_eq!((head.framing, head.keep_alive), (Framing::Empty, true));
        let head = parsed("HTTP/1.1 403 \r\n\r\n");
        assert_eq!((head.framing, head.keep_alive), (Framing::UntilClose, false));
        let head =
            parsed("HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
        assert_eq!((head.framing, head.keep_alive), (Framing::Chunked, false));
        let head = parsed(
            "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        );
        assert_eq!((head.framing, head.keep_alive), (Framing::UntilClose, false));
    }

    #[test]
    fn after_a_change_of_protocols_nothing_is_an_answer() {
        let head = parsed("HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
        assert_eq!((head.is_interim(), head.keep_alive), (false, false));
        let head = parsed("HTTP/1.1 103 Early Hints\r\n\r\n");
        assert_eq!((head.is_interim(), head.framing), (true, Framing::Empty));
    }

    #[test]
    fn a_status_has_a_class() {
        assert_eq!(parsed("HTTP/1.1 100 X\r\n\r\n").status, 100);
        assert_eq!(parse_response(b"HTTP/1.1 099 X\r\n\r\n").err(), Some(HeadError::Malformed));
    }

    #[test]
    fn only_allow_listed_fields_are_kept() {
        let head = parsed(
            "HTTP/1.1 429 X\r\nRETRY-AFTER: 7\r\nSet-Cookie: a\r\nContent-Length: 0\r\n\r\n",
        );
        assert_eq!(head.fields, [("retry-after".to_owned(), "7".to_owned())]);
    }
}
