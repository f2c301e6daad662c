//! The common parts of the heads of requests and responses.

use thiserror::Error;

use super::MAX_HEAD_BYTES;

/// Why a head cannot be read. The connection is closed after the response.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// Not HTTP/1.x, or not by its rules.
    #[error("the head is not valid HTTP/1.1")]
    Malformed,
    /// Longer than [`MAX_HEAD_BYTES`], or more fields than any sender uses.
    #[error("the head is larger than 16 KiB, or has more than 64 fields")]
    TooLarge,
    /// Content-Length and Transfer-Encoding contradict each other.
    #[error("the request's length is contradictory")]
    Contradictory,
}

/// The length of a head of which `held` bytes were parsed; `None` while it is
/// not complete.
pub(super) fn head_length(
    parsed: httparse::Result<usize>,
    held: usize,
) -> Result<Option<usize>, HeadError> {
    match parsed {
        Ok(httparse::Status::Complete(length)) => Ok(Some(length)),
        Ok(httparse::Status::Partial) if held < MAX_HEAD_BYTES => Ok(None),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            Err(HeadError::TooLarge)
        }
        Err(_) => Err(HeadError::Malformed),
    }
}
