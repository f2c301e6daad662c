//! Our reading of requests beside hyper's.
//!
//! Two readers that see different ends of a request are how a second one is
//! smuggled past the first. So: whatever is sent, each write that we would take
//! is one that hyper takes at the same place in the stream, with the same body
//! and the same header fields. The other way round we may be, and are, stricter.
//! One thing we take that hyper does not: a query that is no URI. Nobody reads it,
//! so a stream is compared up to there.

mod streams;

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use http::{Method as HyperMethod, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use self::streams::streams;
use super::{
    Chunked, Framing, MAX_FIELDS, Method, RequestHead, Route, parse_request,
    request::{FORWARDED, route},
};

/// So many streams: a second in an unoptimised build.
const STREAMS: u32 = 50_000;

/// A request as a reader understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    is_write: bool,
    /// Of a write: what goes on to Azure, in the order of names.
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// All requests that we read from `input`, as `connection` does it.
fn ours(input: &[u8]) -> Vec<Seen> {
    let (mut seen, mut rest) = (Vec::new(), input);
    while let Ok(Some((head, length))) = parse_request(rest)
        && has_uri(rest)
    {
        rest = &rest[length..];
        let is_write = (head.route, head.method) == (Route::Write, Method::Post);
        let body = match head.framing {
            Framing::Empty | Framing::UntilClose => Vec::new(),
            // A body that nobody asked for ends the connection.
            _ if !is_write => {
                seen.push(Seen { is_write, fields: Vec::new(), body: Vec::new() });
                return seen;
            }
            Framing::Length(length) => {
                let Some(body) = usize::try_from(length).ok().and_then(|end| rest.get(..end))
                else {
                    return seen;
                };
                rest = &rest[body.len()..];
                body.to_vec()
            }
            Framing::Chunked => {
                let (mut chunked, mut body) = (Chunked::default(), Vec::new());
                let Ok(used) = chunked.decode(rest, &mut body) else { return seen };
                if !chunked.is_done() {
                    return seen;
                }
                rest = &rest[used..];
                body
            }
        };
        let fields = if is_write { forwarded(&head) } else { Vec::new() };
        seen.push(Seen { is_write, fields, body });
        if !head.keep_alive || head.route == Route::Unknown {
            return seen;
        }
    }
    seen
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
    let (mut client, server) = duplex(1 << 20);
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
    let is_write = route(target) == Route::Write && parts.method == HyperMethod::POST;
    let mut answer = Response::new(Empty::new());
    // Nor does hyper go on after a CONNECT that succeeds.
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

#[test]
fn no_write_is_read_otherwise_than_by_hyper() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (taken, refused) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    // The same streams in every run.
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config { cases: STREAMS, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, random);
    let ran = runner.run(&streams(), |stream| {
        let (ours, hypers) = (ours(&stream), runtime.block_on(hypers(&stream)));
        for (place, one) in ours.iter().enumerate().filter(|(_, one)| one.is_write) {
            let text = String::from_utf8_lossy(&stream).into_owned();
            if hypers.get(place) != Some(one) {
                let what = format!("{text:?}: we read {ours:#?}, hyper {hypers:#?}");
                return Err(TestCaseError::fail(what));
            }
            taken.fetch_add(1, Ordering::Relaxed);
        }
        let writes = |seen: &[Seen]| seen.iter().filter(|one| one.is_write).count();
        refused.fetch_add(u32::from(writes(&ours) < writes(&hypers)), Ordering::Relaxed);
        Ok(())
    });
    // The stream is in the reason, as text.
    match ran {
        Ok(()) => {}
        Err(TestError::Fail(why, _) | TestError::Abort(why)) => panic!("{why}"),
    }
    // Both sides of the comparison were there, and often.
    let (taken, refused) = (taken.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    assert!(taken > STREAMS / 4, "{taken} writes were taken by both");
    assert!(refused > STREAMS / 100, "{refused} streams were refused by us alone");
}
