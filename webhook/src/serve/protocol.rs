//! HTTP/1.1 and HTTP/2, with bounds on what a connection can make us hold next to the
//! bodies that are counted.

use hyper_util::{rt::TokioExecutor, server::conn::auto::Builder};

/// A request's head in HTTP/2. API servers send about 300 bytes. By default it is 16 KiB.
const MAX_HEAD_BYTES: u32 = 8 << 10;
/// What is read at once of HTTP/1.1, and its head, which must fit in. hyper takes
/// nothing below 8 KiB, and has 400 KiB by default.
const READ_BYTES: usize = 16 << 10;
/// The amount that HTTP/2 lets a client send before it is read: a usual review, and a
/// body of any size in turns. By default it is 1 MiB.
const WINDOW_BYTES: u32 = 64 << 10;
/// Requests at the same time on one connection; an API server with more opens another
/// connection. By default it is 200.
const MAX_STREAMS: u32 = 16;

pub(super) fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(READ_BYTES);
    builder
        .http2()
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES);
    builder
}
