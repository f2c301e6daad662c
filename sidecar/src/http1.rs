//! HTTP/1.1, as far as a remote-write request and its response need it.
//!
//! The data path needs no general HTTP library: a request has one head, one body
//! that is kept for a replay anyway, and a small response. Parsing is strict (RFC 9112),
//! because requests are smuggled where two parsers disagree: a message with two lengths
//! is rejected.

mod chunked;
#[cfg(any(test, fuzzing))]
pub(crate) mod differential;
mod fields;
mod request;
mod response;

use thiserror::Error;

pub(crate) use chunked::{ChunkError, Chunked};
pub(crate) use fields::{Framing, retry_after};
pub(crate) use request::{Message, Method, RequestHead, Route, parse_request};
pub(crate) use response::{KEPT_OF_REFUSALS, ResponseHead, parse_response};

/// More header fields than any sender uses; httparse needs a bound.
const MAX_FIELDS: usize = 64;
/// A longer head is refused: Prometheus' are about 400 bytes, and the largest
/// header that one may configure there stays below this.
pub(crate) const MAX_HEAD_BYTES: usize = 16 << 10;

/// The same for an answer: proxies and gateways add fields of their own, and 64 KiB
/// is what a common load balancer sends at most.
const MAX_RESPONSE_FIELDS: usize = 256;
pub(crate) const MAX_RESPONSE_HEAD_BYTES: usize = 64 << 10;

/// Why a head cannot be read. The connection is closed after the response.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// Not HTTP/1.x, or not by its rules.
    #[error("the head is not valid HTTP/1.1")]
    Malformed,
    /// The beginning of a TLS handshake.
    #[error("the client begins TLS, and this port is plain HTTP: use http:// in the client's URL")]
    Tls,
    /// Longer than [`MAX_HEAD_BYTES`], or more fields than any sender uses.
    #[error("the head is larger than 16 KiB, or has more than 64 fields")]
    TooLarge,
    /// Content-Length and Transfer-Encoding contradict each other.
    #[error("the request's length is contradictory")]
    Contradictory,
}

/// The length of a head of which `held` bytes were parsed; `None` while it is
/// not complete.
fn head_length(parsed: httparse::Result<usize>, held: usize) -> Result<Option<usize>, HeadError> {
    match parsed {
        Ok(httparse::Status::Complete(length)) => Ok(Some(length)),
        Ok(httparse::Status::Partial) if held < MAX_HEAD_BYTES => Ok(None),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            Err(HeadError::TooLarge)
        }
        Err(_) => Err(HeadError::Malformed),
    }
}

/// Moves the first bytes of what was read to a body, as a whole: a drained iterator
/// copies them one by one where the compiler optimises for size.
pub(crate) fn take(input: &mut Vec<u8>, length: usize, body: &mut Vec<u8>) {
    body.extend_from_slice(input.get(..length).unwrap_or_default());
    input.drain(..length);
}
