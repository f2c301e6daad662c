//! A request's head, reduced to what is acted on.

use contract::names;
use thiserror::Error;

use super::{
    Framing, MAX_FIELDS, MAX_HEAD_BYTES,
    fields::{Lengths, keeps_alive},
};

/// The method, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Other,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Write,
    Health,
    Ready,
    Metrics,
    Unknown,
}

/// Which remote-write message the body claims to be.
///
/// <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/#required-headers>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// `prometheus.WriteRequest`.
    V1,
    /// `io.prometheus.write.v2.Request`.
    V2,
}

/// A request's head, understood.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    pub(crate) route: Route,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
    /// The client takes `OpenMetrics`.
    pub(crate) accepts_open_metrics: bool,
    /// The allow-listed header fields, ready to go out again, each with its
    /// line end.
    pub(crate) forwarded: Vec<u8>,
    content_type: Option<String>,
    content_encoding: Option<String>,
}

impl RequestHead {
    /// The message that the headers announce; otherwise what is wrong with
    /// them.
    pub(crate) fn message(&self) -> Result<Message, String> {
        let encoding = self.content_encoding.as_deref().unwrap_or("none");
        if !encoding.eq_ignore_ascii_case("snappy") {
            return Err(format!("Content-Encoding is {encoding:?}, expected \"snappy\""));
        }
        let content_type = self.content_type.as_deref().unwrap_or("none");
        let mut parts = content_type.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let proto = parts.find_map(|part| part.strip_prefix("proto=")).unwrap_or(V1_PROTO);
        match (media.eq_ignore_ascii_case("application/x-protobuf"), proto) {
            (true, V1_PROTO) => Ok(Message::V1),
            (true, V2_PROTO) => Ok(Message::V2),
            _ => Err(format!(
                "Content-Type is {content_type:?}, expected application/x-protobuf with proto={V1_PROTO} (protobuf_message in Prometheus' remote_write) or {V2_PROTO}"
            )),
        }
    }
}

const V1_PROTO: &str = "prometheus.WriteRequest";
const V2_PROTO: &str = "io.prometheus.write.v2.Request";

/// The header fields that go on to Azure. Nothing else does: no cookie, no
/// foreign authorization, no address of the pod.
const FORWARDED: [&str; 5] = [
    "content-type",
    "content-encoding",
    "user-agent",
    "x-prometheus-remote-write-version",
    "retry-attempt",
];

/// Why a head cannot be read. The connection ends after the answer.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// Not HTTP/1.x, or not by its rules.
    #[error("the head is not valid HTTP/1.1")]
    Malformed,
    /// Longer than [`MAX_HEAD_BYTES`], or more than [`MAX_FIELDS`] fields.
    #[error("the head is too large")]
    TooLarge,
    /// Content-Length and Transfer-Encoding contradict each other.
    #[error("the request's length is contradictory")]
    Contradictory,
}

/// Reads a head from the start of `input`: it and its length, or `None` while
/// it is not complete.
pub(crate) fn parse_request(input: &[u8]) -> Result<Option<(RequestHead, usize)>, HeadError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(input) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if input.len() >= MAX_HEAD_BYTES => {
            return Err(HeadError::TooLarge);
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooLarge),
        Err(_) => return Err(HeadError::Malformed),
    };
    let method = match request.method {
        Some("POST") => Method::Post,
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        _ => Method::Other,
    };
    let mut head = RequestHead {
        method,
        route: route(request.path.unwrap_or_default()),
        framing: Framing::Empty,
        keep_alive: false,
        expects_continue: false,
        accepts_open_metrics: false,
        forwarded: Vec::with_capacity(256),
        content_type: None,
        content_encoding: None,
    };
    let version = request.version.unwrap_or(0);
    read_fields(&mut head, version, request.headers)?;
    Ok(Some((head, length)))
}

fn read_fields(
    head: &mut RequestHead,
    version: u8,
    fields: &[httparse::Header<'_>],
) -> Result<(), HeadError> {
    let mut lengths = Lengths::default();
    let mut connection = None;
    let text = |value: &[u8]| Some(String::from_utf8_lossy(value.trim_ascii()).into_owned());
    for field in fields {
        lengths.see(field.name, field.value);
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("connection") {
            connection = Some(field.value);
        } else if is("expect") {
            head.expects_continue |= field.value.eq_ignore_ascii_case(b"100-continue");
        } else if is("accept") {
            let accepted = String::from_utf8_lossy(field.value);
            head.accepts_open_metrics |= accepted.contains("application/openmetrics-text");
        } else if is("content-type") {
            head.content_type = text(field.value);
        } else if is("content-encoding") {
            head.content_encoding = text(field.value);
        }
        if FORWARDED.iter().any(|name| is(name)) {
            for part in [field.name.as_bytes(), b": ", field.value, b"\r\n"] {
                head.forwarded.extend_from_slice(part);
            }
        }
    }
    head.keep_alive = keeps_alive(version, connection);
    head.framing = match lengths.framing() {
        // A request without a length has no body (RFC 9112, 6.3).
        Some(Framing::UntilClose) => Framing::Empty,
        Some(framing) => framing,
        None => return Err(HeadError::Contradictory),
    };
    Ok(())
}

fn route(target: &str) -> Route {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    match path {
        names::WRITE_PATH => Route::Write,
        names::HEALTH_PATH => Route::Health,
        names::READY_PATH => Route::Ready,
        names::METRICS_PATH => Route::Metrics,
        _ => Route::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(fields: &str) -> Result<Option<RequestHead>, HeadError> {
        let text = format!("POST /api/v1/write?x HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        parse_request(text.as_bytes()).map(|found| found.map(|(head, _)| head))
    }

    fn framing(fields: &str) -> Option<Framing> {
        parsed(fields).ok().flatten().map(|head| head.framing)
    }

    #[test]
    fn prometheus_own_head() {
        let text = "POST /api/v1/write HTTP/1.1\r\nHost: localhost:8081\r\nUser-Agent: Prometheus/3.16.0\r\nContent-Length: 7\r\nContent-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\nAuthorization: Bearer foreign\r\nCookie: a=b\r\n\r\nBODY";
        let (head, length) = parse_request(text.as_bytes()).unwrap().unwrap();
        assert_eq!(text.len() - length, 4);
        assert_eq!((head.method, head.route), (Method::Post, Route::Write));
        assert_eq!((head.framing, head.keep_alive), (Framing::Length(7), true));
        assert_eq!(head.message(), Ok(Message::V1));
        assert_eq!(
            String::from_utf8(head.forwarded).unwrap(),
            "User-Agent: Prometheus/3.16.0\r\nContent-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n"
        );
    }

    #[test]
    fn lengths_that_contradict_each_other_are_refused() {
        assert_eq!(framing("Content-Length: 5\r\n"), Some(Framing::Length(5)));
        assert_eq!(framing("Content-Length: 5\r\nContent-Length: 5\r\n"), Some(Framing::Length(5)));
        assert_eq!(framing("Transfer-Encoding: chunked\r\n"), Some(Framing::Chunked));
        assert_eq!(framing(""), Some(Framing::Empty));
        for smuggled in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length: x\r\nContent-Length: 5\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ] {
            assert_eq!(parsed(smuggled).err(), Some(HeadError::Contradictory), "{smuggled}");
        }
    }

    #[test]
    fn heads_are_bounded_and_may_come_in_pieces() {
        assert!(parse_request(b"POST /api/v1/write HT").unwrap().is_none());
        assert_eq!(parse_request(b"\x16\x03\x01\x02\x00").err(), Some(HeadError::Malformed));
        let endless = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(MAX_HEAD_BYTES));
        assert_eq!(parse_request(endless.as_bytes()).err(), Some(HeadError::TooLarge));
        assert_eq!(parsed(&"X: y\r\n".repeat(100)).err(), Some(HeadError::TooLarge));
    }

    #[test]
    fn only_snappy_protobuf_is_remote_write() {
        let message = |kind: &str, encoding: &str| {
            let fields = format!("Content-Type: {kind}\r\nContent-Encoding: {encoding}\r\n");
            parsed(&fields).unwrap().unwrap().message().ok()
        };
        assert_eq!(message("application/x-protobuf", "snappy"), Some(Message::V1));
        let v2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
        assert_eq!(message(v2, "snappy"), Some(Message::V2));
        let v1 = "application/x-protobuf; proto=prometheus.WriteRequest";
        assert_eq!(message(v1, "Snappy"), Some(Message::V1));
        assert_eq!(message("application/json", "snappy"), None);
        assert_eq!(message("application/x-protobuf;proto=other", "snappy"), None);
        assert_eq!(message("application/x-protobuf", "gzip"), None);
    }

    #[test]
    fn connections_are_kept_as_the_version_has_it() {
        let kept = |text: &str| parse_request(text.as_bytes()).unwrap().unwrap().0.keep_alive;
        assert!(kept("GET /health HTTP/1.1\r\n\r\n"));
        assert!(!kept("GET /health HTTP/1.1\r\nConnection: foo, Close\r\n\r\n"));
        assert!(!kept("GET /health HTTP/1.0\r\n\r\n"));
        assert!(kept("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    }
}
