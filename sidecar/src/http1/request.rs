//! A request's head, reduced to what is acted on.

#[cfg(test)]
mod tests;

use contract::names;

use super::{
    Framing, HeadError, MAX_FIELDS,
    fields::{Lengths, Persistence},
    head_length,
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
    /// A path to which senders write elsewhere.
    OtherWrite,
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
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    pub(crate) route: Route,
    /// The destination that a write is for; empty for the unnamed one.
    pub(crate) destination: String,
    /// The path, where nothing is there, or only if there is such a destination.
    pub(crate) unknown_path: Option<String>,
    /// The query asks which protocol is understood, as older versions of vmagent
    /// do before they write.
    asks_protocol: bool,
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
    /// The sender wants to know whether another protocol is understood, and takes
    /// a refusal for "no": a question, or a batch in zstd (vmagent).
    pub(crate) fn is_protocol_question(&self) -> bool {
        let is_zstd = |text: &str| text.eq_ignore_ascii_case("zstd");
        (self.asks_protocol && self.framing == Framing::Empty)
            || self.content_encoding.as_deref().is_some_and(is_zstd)
    }

    /// The headers announce a remote write, of whatever kind.
    pub(crate) fn announces_write(&self) -> bool {
        let says = |value: &Option<String>, word| {
            value.as_deref().is_some_and(|text| text.to_ascii_lowercase().contains(word))
        };
        says(&self.content_type, "protobuf") || says(&self.content_encoding, "snappy")
    }

    /// The headers announce something else.
    pub(crate) fn announces_no_write(&self) -> bool {
        self.content_type.is_some() && !self.announces_write()
    }

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

/// A record of the type handshake, of any version (RFC 8446, 5.1).
const TLS_HANDSHAKE: [u8; 2] = [22, 3];

/// Reads a head from the start of `input`: it and its length, or `None` while
/// it is not complete.
pub(crate) fn parse_request(input: &[u8]) -> Result<Option<(RequestHead, usize)>, HeadError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let length = head_length(request.parse(input), input.len())
        .map_err(|error| if input.starts_with(&TLS_HANDSHAKE) { HeadError::Tls } else { error })?;
    let Some(length) = length else { return Ok(None) };
    let method = match request.method {
        Some("POST") => Method::Post,
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        _ => Method::Other,
    };
    let target = request.path.unwrap_or_default();
    let (route, destination) = route(target);
    let nothing_there =
        !destination.is_empty() || matches!(route, Route::OtherWrite | Route::Unknown);
    let mut head = RequestHead {
        method,
        route,
        destination: destination.to_owned(),
        unknown_path: nothing_there.then(|| path(target).to_owned()),
        asks_protocol: target.contains("get_vm_proto_version="),
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
        // HTTP/1.0 has no chunks: anyone who sends them is not understood the same by
        // everyone (RFC 9112, 6.1).
        Some(Framing::Chunked) if version == 0 => return Err(HeadError::Contradictory),
        Some(framing) => framing,
        None => return Err(HeadError::Contradictory),
    };
    Ok(())
}

/// By the path alone. The query of Prometheus' `url` is ignored and not forwarded: to
/// refuse a write for a character in it would lose the batch, and Go's servers,
/// Microsoft's among them, don't either. For the same reason, a slash too many is
/// forgiven.
///
/// With it goes the name of the destination that a write is for, or nothing.
pub(super) fn route(target: &str) -> (Route, &str) {
    let path = path(target);
    let segments = || path.split('/').filter(|segment| !segment.is_empty());
    let is = |known: &str| path == known || segments().eq(known.split('/').skip(1));
    let route = match path {
        _ if is(names::WRITE_PATH) => Route::Write,
        _ if is_below_destination(segments()) => {
            return (Route::Write, segments().next().unwrap_or_default());
        }
        _ if is(names::HEALTH_PATH) => Route::Health,
        _ if is(names::READY_PATH) => Route::Ready,
        _ if is(names::METRICS_PATH) => Route::Metrics,
        _ if segments().any(|segment| WRITING.contains(&segment)) => Route::OtherWrite,
        _ => Route::Unknown,
    };
    (route, "")
}

/// Whether one segment comes before those of the path for writes.
fn is_below_destination<'a>(mut segments: impl Iterator<Item = &'a str>) -> bool {
    segments.next().is_some() && segments.eq(names::WRITE_PATH.split('/').skip(1))
}

/// In the paths to which senders write: Prometheus' receiver, Mimir, Cortex,
/// `VictoriaMetrics`, Thanos and others.
const WRITING: [&str; 7] =
    ["write", "push", "receive", "remote_write", "remote-write", "remotewrite", "insert"];

/// The path of a target in either of its usual forms (RFC 9112, 3.2).
fn path(target: &str) -> &str {
    let path = target.split_once(['?', '#']).map_or(target, |(path, _)| path);
    match path.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
            rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or("/")
        }
        _ => path,
    }
}
