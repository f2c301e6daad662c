//! An answer's head, reduced to what is acted on.

use std::mem::MaybeUninit;

use httparse::{ParserConfig, Status};

use super::{
    Framing, HeadError, MAX_RESPONSE_FIELDS, MAX_RESPONSE_HEAD_BYTES,
    fields::{Lengths, Persistence},
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

/// Of a change of protocols, for which no one asked.
const SWITCHING: u16 = 101;

impl ResponseHead {
    /// Whether another answer follows (RFC 9110, 15.2): after a change of
    /// protocols none does.
    pub(crate) const fn is_interim(&self) -> bool {
        is_interim(self.status)
    }
}

const fn is_interim(status: u16) -> bool {
    matches!(status, 100..=199) && status != SWITCHING
}

/// The header fields that come back to Prometheus or that we act on. Azure names a
/// request by one of the request ids, which its support asks for:
/// <https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling>.
const KEPT: [&str; 9] = [
    "content-type",
    "date",
    "request-id",
    "retry-after",
    "x-ms-correlation-request-id",
    "x-ms-request-id",
    "x-prometheus-remote-write-samples-written",
    "x-prometheus-remote-write-histograms-written",
    "x-prometheus-remote-write-exemplars-written",
];

/// Those that explain a refusal, and go no further.
pub(crate) const KEPT_OF_REFUSALS: [&str; 3] = ["content-encoding", "server", "via"];

/// Reads a head from the start of `input`: it and its length, or `None` while
/// it is not complete.
///
/// A final status counts even where the fields after it cannot be read or are too
/// many: a batch that was accepted must not be sent again because of them. Then the
/// body is not read, and the connection is not used again.
pub(crate) fn parse_response(input: &[u8]) -> Result<Option<(ResponseHead, usize)>, HeadError> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_RESPONSE_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        input,
        &mut fields,
    );
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) if input.len() < MAX_RESPONSE_HEAD_BYTES => return Ok(None),
        Ok(Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return status_alone(input).ok_or(HeadError::TooLarge).map(Some);
        }
        Err(_) => return status_alone(input).ok_or(HeadError::Malformed).map(Some),
    };
    // RFC 9110, 15: three digits, of which the first is the class.
    let status = response.code.filter(|code| *code >= 100).ok_or(HeadError::Malformed)?;
    let mut lengths = Lengths::default();
    let mut persistence = Persistence::default();
    let mut kept = Vec::new();
    let of_refusals = if matches!(status, 200..=299) { &[] } else { &KEPT_OF_REFUSALS[..] };
    for field in response.headers.iter() {
        lengths.see(field.name, field.value);
        persistence.see(field.name, field.value);
        let name =
            KEPT.iter().chain(of_refusals).find(|name| field.name.eq_ignore_ascii_case(name));
        if let (Some(name), Ok(value)) = (name, std::str::from_utf8(field.value)) {
            kept.push(((*name).to_owned(), value.trim().to_owned()));
        }
    }
    // RFC 9112, 6.3: these have no body, whatever their fields contain. Where lengths
    // contradict each other the status still counts, and the connection is closed.
    let framing = match status {
        100..=199 | 204 | 304 => Framing::Empty,
        _ => lengths.framing().unwrap_or(Framing::UntilClose),
    };
    let keep_alive = persistence.keeps_alive(response.version.unwrap_or(0))
        && framing != Framing::UntilClose
        && status != SWITCHING;
    Ok(Some((ResponseHead { status, framing, keep_alive, fields: kept }, length)))
}

/// The final status of a head whose fields cannot be read, if its first line can.
fn status_alone(input: &[u8]) -> Option<(ResponseHead, usize)> {
    let end = input.iter().position(|byte| *byte == b'\n')? + 1;
    let line = [input.get(..end)?, b"\r\n"].concat();
    let mut response = httparse::Response::new(&mut []);
    let complete = response.parse(&line).is_ok_and(|parsed| parsed.is_complete());
    let status = response.code.filter(|code| complete && *code >= 100 && !is_interim(*code))?;
    let head =
        ResponseHead { status, framing: Framing::Empty, keep_alive: false, fields: Vec::new() };
    Some((head, input.len()))
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

    #[test]
    fn a_long_head_is_read_and_beyond_the_bounds_the_status_counts() {
        let fields = |count: usize| "X-Filler: a\r\n".repeat(count);
        let (head, length) = parse_response(
            format!("HTTP/1.1 204 X\r\n{}Retry-After: 1\r\n\r\n", fields(255)).as_bytes(),
        )
        .unwrap()
        .unwrap();
        assert_eq!((head.status, head.keep_alive, head.fields.len()), (204, true, 1));
        assert!(length > 255 * 13);
        for unread in [
            fields(257) + "\r\n",
            format!("X: {}", "a".repeat(MAX_RESPONSE_HEAD_BYTES)),
            "no field\r\n\r\n".to_owned(),
            "X: a\0b\r\n\r\n".to_owned(),
        ] {
            let head = parsed(&format!("HTTP/1.1 204 X\r\n{unread}"));
            assert_eq!((head.status, head.framing, head.keep_alive), (204, Framing::Empty, false));
            let interim = format!("HTTP/1.1 100 X\r\n{unread}");
            assert!(parse_response(interim.as_bytes()).is_err(), "another answer follows");
        }
        assert_eq!(parse_response(b"SSH-2.0-x\r\n").err(), Some(HeadError::Malformed));
        let endless = "a".repeat(MAX_RESPONSE_HEAD_BYTES);
        let read = parse_response(format!("HTTP/1.1 204 {endless}").as_bytes());
        assert_eq!(read.err(), Some(HeadError::TooLarge));
    }
}
