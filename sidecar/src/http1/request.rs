//! A request's head, reduced to what is acted on.

#[cfg(test)]
mod tests;

use contract::names;

use super::{
    Framing, MAX_FIELDS,
    fields::{Lengths, Persistence},
    head::{HeadError, head_length},
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
pub(super) const FORWARDED: [&str; 5] = [
    "content-type",
    "content-encoding",
    "user-agent",
    "x-prometheus-remote-write-version",
    "retry-attempt",
];

/// Reads a head from the start of `input`: it and its length, or `None` while
/// it is not complete.
pub(crate) fn parse_request(input: &[u8]) -> Result<Option<(RequestHead, usize)>, HeadError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let Some(length) = head_length(request.parse(input), input.len())? else { return Ok(None) };
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
    let mut persistence = Persistence::default();
    let text = |value: &[u8]| Some(String::from_utf8_lossy(value.trim_ascii()).into_owned());
    for field in fields {
        lengths.see(field.name, field.value);
        persistence.see(field.name, field.value);
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("expect") {
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
    head.keep_alive = persistence.keeps_alive(version);
    head.framing = match lengths.framing() {
        // A request without a length has no body (RFC 9112, 6.3).
        Some(Framing::UntilClose) => Framing::Empty,
        // HTTP/1.0 has no chunks: whoever sends them is not understood the same
        // by everybody (RFC 9112, 6.1).
        Some(Framing::Chunked) if version == 0 => return Err(HeadError::Contradictory),
        Some(framing) => framing,
        None => return Err(HeadError::Contradictory),
    };
    Ok(())
}

/// By the path alone. What the query of Prometheus' `url` says is nobody's here,
/// and goes no further: to refuse a write for a character in it would lose the
/// batch, and Go's servers, Microsoft's among them, don't either.
pub(super) fn route(target: &str) -> Route {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    match path {
        names::WRITE_PATH => Route::Write,
        names::HEALTH_PATH => Route::Health,
        names::READY_PATH => Route::Ready,
        names::METRICS_PATH => Route::Metrics,
        _ => Route::Unknown,
    }
}
