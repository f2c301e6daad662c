//! Our reading of requests next to hyper's.
//!
//! Two readers that see different ends of a request are how a second one is smuggled past
//! the first. So: whatever is sent, in whatever pieces it arrives, each write that we
//! would take is one that hyper takes at the same place in the stream, with the same body
//! and the same header fields. The other way round we may be, and are, stricter. One
//! thing we take that hyper does not: a query that is no URI. No one reads it, so a
//! stream is compared up to there.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "this is a test, which runs below cargo-fuzz as well"
)]

#[cfg(test)]
mod streams;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, sync::Mutex};

use http::{Method as HyperMethod, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::{
    Chunked, Framing, MAX_FIELDS, MAX_HEAD_BYTES, Method, RequestHead, Route,
    chunked::MAX_LINE_BYTES,
    parse_request,
    request::{FORWARDED, route},
};
use crate::fuzzing::Arrival;

/// A request as a reader understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    is_write: bool,
    /// For a write: the fields that are forwarded, in the order of names.
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// Reads a stream of requests twice: how many writes we take, and hyper; where we
/// disagree, on what.
pub(crate) async fn compare(arrival: &Arrival<'_>) -> Result<(usize, usize), String> {
    let (ours, hypers) = (ours(arrival), hypers(arrival.bytes).await);
    let text = String::from_utf8_lossy(arrival.bytes);
    // A head that is too long may be seen to be complete first, if it is there
    // all at once.
    if arrival.bytes.len() <= MAX_HEAD_BYTES {
        let at_once = self::ours(&Arrival::at_once(arrival.bytes));
        if ours != at_once {
            return Err(format!("{text:?}: we read {at_once:#?}, and in pieces {ours:#?}"));
        }
    }
    let writes = |seen: &[Seen]| seen.iter().filter(|one| one.is_write).count();
    let agreed = |(place, one): (usize, &Seen)| !one.is_write || hypers.get(place) == Some(one);
    if !ours.iter().enumerate().all(agreed) {
        return Err(format!("{text:?}: we read {ours:#?}, hyper {hypers:#?}"));
    }
    Ok((writes(&ours), writes(&hypers)))
}

/// All requests that we read, as `connection` does it.
fn ours(arrival: &Arrival<'_>) -> Vec<Seen> {
    let mut input = Input { held: Vec::new(), pieces: arrival.pieces() };
    let mut seen = Vec::new();
    while let Some(head) = input.head() {
        let is_write = (head.route, head.method) == (Route::Write, Method::Post);
        if !is_write && head.framing != Framing::Empty {
            // An unexpected body closes the connection.
            seen.push(Seen { is_write, fields: Vec::new(), body: Vec::new() });
            break;
        }
        let Some(body) = input.body(head.framing) else { break };
        let fields = if is_write { forwarded(&head) } else { Vec::new() };
        seen.push(Seen { is_write, fields, body });
        if !head.keep_alive || matches!(head.route, Route::OtherWrite | Route::Unknown) {
            break;
        }
    }
    seen
}

/// Data that was read and not parsed yet, and data that still arrives.
struct Input<P> {
    held: Vec<u8>,
    pieces: P,
}

impl<'a, P: Iterator<Item = &'a [u8]>> Input<P> {
    fn fill(&mut self) -> Option<()> {
        self.held.extend_from_slice(self.pieces.next()?);
        Some(())
    }

    /// The next head that hyper can take; `None` where there is none, or the input
    /// ends within it.
    fn head(&mut self) -> Option<RequestHead> {
        loop {
            if let Some((head, length)) = parse_request(&self.held).ok()? {
                let has_uri = has_uri(&self.held);
                self.held.drain(..length);
                return has_uri.then_some(head);
            }
            assert!(self.held.len() < MAX_HEAD_BYTES, "a head without bounds");
            self.fill()?;
        }
    }

    /// The body; `None` where it is none, or the input ends within it.
    fn body(&mut self, framing: Framing) -> Option<Vec<u8>> {
        match framing {
            Framing::Empty | Framing::UntilClose => Some(Vec::new()),
            Framing::Length(length) => {
                let length = usize::try_from(length).ok()?;
                while self.held.len() < length {
                    self.fill()?;
                }
                Some(self.held.drain(..length).collect())
            }
            Framing::Chunked => self.chunks(),
        }
    }

    fn chunks(&mut self) -> Option<Vec<u8>> {
        let (mut chunked, mut body) = (Chunked::default(), Vec::new());
        loop {
            let used = chunked.decode(&self.held, &mut body).ok()?;
            self.held.drain(..used);
            if chunked.is_done() {
                return Some(body);
            }
            assert!(self.held.len() <= MAX_LINE_BYTES, "a line without bounds");
            self.fill()?;
        }
    }
}

/// Whether hyper takes the target of the request at the beginning of `input`.
fn has_uri(input: &[u8]) -> bool {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(input);
    parsed.is_ok() && request.path.is_some_and(|target| target.parse::<http::Uri>().is_ok())
}

fn forwarded(head: &RequestHead) -> Vec<(String, Vec<u8>)> {
    let lines = head.forwarded.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut fields: Vec<_> = lines
        .map(|line| {
            let colon = line.iter().position(|byte| *byte == b':').unwrap();
            let name = String::from_utf8(line[..colon].to_ascii_lowercase()).unwrap();
            (name, line[colon + 1..].trim_ascii().to_vec())
        })
        .collect();
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}

/// All requests that hyper reads from `input`, bodies included.
async fn hypers(input: &[u8]) -> Vec<Seen> {
    let seen = Mutex::new(Vec::new());
    // All of it goes in at once.
    let (mut client, server) = duplex(input.len().max(1 << 10));
    client.write_all(input).await.unwrap();
    client.shutdown().await.unwrap();
    let service = service_fn(|request| answer(request, &seen));
    let serving =
        http1::Builder::new().half_close(true).serve_connection(TokioIo::new(server), service);
    let mut answers = Vec::new();
    let (_, _) = tokio::join!(serving, client.read_to_end(&mut answers));
    seen.into_inner().unwrap()
}

async fn answer(
    request: Request<Incoming>,
    seen: &Mutex<Vec<Seen>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let is_write = route(target).0 == Route::Write && parts.method == HyperMethod::POST;
    let mut answer = Response::new(Empty::new());
    // Nor does hyper continue after a CONNECT that succeeds.
    *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    if let Ok(body) = body.collect().await {
        let fields = FORWARDED.iter().flat_map(|name| {
            let values = parts.headers.get_all(*name).into_iter();
            values.map(|value| ((*name).to_owned(), value.as_bytes().trim_ascii().to_vec()))
        });
        let mut fields: Vec<_> = if is_write { fields.collect() } else { Vec::new() };
        fields.sort_by(|one, other| one.0.cmp(&other.0));
        let body = if is_write { body.to_bytes().to_vec() } else { Vec::new() };
        seen.lock().unwrap().push(Seen { is_write, fields, body });
    }
    Ok(answer)
}
