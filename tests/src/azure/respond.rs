//! Answers on the wire, whole or broken off.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use hyper::body::{Body, Frame, SizeHint};

use super::faults::Answer;

/// The whole answer.
pub(super) fn respond(answer: &Answer) -> Response<Piece> {
    response(answer, Piece { bytes: Some(answer.body.clone()), breaks: false })
}

/// Announces more than it sends.
pub(super) fn break_off(answer: &Answer) -> Response<Piece> {
    let mut response = response(answer, Piece { bytes: Some(answer.body.clone()), breaks: true });
    if *response.status_mut() == StatusCode::NO_CONTENT {
        *response.status_mut() = StatusCode::OK;
    }
    response.headers_mut().insert(header::CONTENT_LENGTH, (answer.body.len() + 1).into());
    response
}

fn response(answer: &Answer, body: Piece) -> Response<Piece> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) =
            (name.parse::<header::HeaderName>(), value.parse::<header::HeaderValue>())
        {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// A body in one piece, after which the connection may break.
pub(super) struct Piece {
    bytes: Option<Bytes>,
    breaks: bool,
}

impl Body for Piece {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(bytes) = self.bytes.take().filter(|bytes| !bytes.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let breaks = std::mem::take(&mut self.breaks);
        Poll::Ready(breaks.then(|| Err(io::ErrorKind::ConnectionReset.into())))
    }

    fn is_end_stream(&self) -> bool {
        !self.breaks && self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.bytes.as_ref().map_or(0, Bytes::len) as u64;
        if self.breaks { SizeHint::new() } else { SizeHint::with_exact(length) }
    }
}
