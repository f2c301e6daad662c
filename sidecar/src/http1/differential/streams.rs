//! Streams of requests: nearly right, and then damaged.

use proptest::{
    prelude::*,
    sample::{Index, select},
};

/// Fields that define, validly or not, where a body ends.
const LENGTHS: [&str; 27] = [
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 05\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: -5\r\n",
    "Content-Length: 5 \r\n",
    "Content-Length: 5,5\r\n",
    "Content-Length: 5, 6\r\n",
    "Content-Length: 0x5\r\n",
    "Content-Length:\r\n",
    "Content-Length: 5\r\nContent-Length: 5\r\n",
    "Content-Length: 5\r\nContent-Length: 6\r\n",
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "Content-Length: 18446744073709551615\r\n",
    "Content-Length: 18446744073709551621\r\n",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding: Chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked, gzip\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: xchunked\r\n",
    "Transfer-Encoding: \x0bchunked\r\n",
    "Transfer-Encoding\r\n: chunked\r\n",
    "Transfer_Encoding: chunked\r\n",
    "",
];
/// Bodies, of which some fit.
const BODIES: [&str; 19] = [
    "12345",
    "",
    "5\r\n12345\r\n0\r\n\r\n",
    "5;a=b\r\n12345\r\n0\r\n\r\n",
    "5 \r\n12345\r\n0\r\n\r\n",
    "05\r\n12345\r\n00\r\n\r\n",
    "5\r\r\n12345\r\n0\r\n\r\n",
    "5\x0c\r\n12345\r\n0\r\n\r\n",
    "5;\ra\r\n12345\r\n0\r\n\r\n",
    "5\n12345\r\n0\r\n\r\n",
    "5\r\n12345\n0\r\n\r\n",
    "5\r\n12345\r\n0\r\nX: y\r\n\r\n",
    "5\r\n12345\r\n0\r\nContent-Length: 9\r\n\r\n",
    "5\r\n12345\r\n0\r\nno trailer\r\n\r\n",
    "5\r\n12345\r\n0\r\nX: y\rz\r\n\r\n",
    "5\r\n12345\r\n0\r\n\n",
    "1\r\n1\r\n4\r\n2345\r\n0\r\n\r\n",
    "10000000000000005\r\n12345\r\n0\r\n\r\n",
    "0\r\n\r\nPOST /api/v1/write HTTP/1.1\r\nHost: x\r\n\r\n",
];

/// One to three requests, half of the streams damaged afterwards.
pub(super) fn streams() -> impl Strategy<Value = Vec<u8>> {
    let requests = prop::collection::vec(requests(), 1..4).prop_map(|all| all.concat());
    let damages = prop_oneof![
        3 => Just(Vec::new()),
        2 => prop::collection::vec(damages(), 1..4),
    ];
    (requests, damages).prop_map(|(mut stream, damages)| {
        for (place, take, put) in damages {
            let at = place.index(stream.len() + 1);
            let end = (at + take).min(stream.len());
            stream.splice(at..end, put.iter().copied());
        }
        stream
    })
}

fn damages() -> impl Strategy<Value = (Index, usize, Vec<u8>)> {
    let put = select(vec![
        &b""[..],
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b" ",
        b"\t",
        b":",
        b",",
        b";",
        b"0",
        b"1",
        b"f",
        b"-",
        b"+",
        b"\0",
        b"\x0b",
        b"\x80",
        b"\r\n ",
        b"0\r\n\r\n",
        b"chunked",
        b"\"",
    ]);
    (any::<Index>(), 0..3_usize, put.prop_map(<[u8]>::to_vec))
}

fn requests() -> impl Strategy<Value = Vec<u8>> {
    let lines = select(vec![
        "POST /api/v1/write HTTP/1.1",
        "POST /api/v1/write?a=b HTTP/1.1",
        "POST /api/v1/write HTTP/1.0",
        "GET /health HTTP/1.1",
        "POST http://x/api/v1/write HTTP/1.1",
        "CONNECT x:1 HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "POST /api/v1/write  HTTP/1.1",
        "\r\nPOST /api/v1/write HTTP/1.1",
        "POST /api/v1/write HTTP/2.0",
    ]);
    let line = prop_oneof![3 => Just("POST /api/v1/write HTTP/1.1"), 1 => lines];
    (line, prop::collection::vec(fields(), 0..4), framings()).prop_map(
        |(line, fields, (framing, body))| {
            [line, "\r\nHost: x\r\n", &fields.concat(), framing, "\r\n", body].concat().into_bytes()
        },
    )
}

fn fields() -> impl Strategy<Value = String> {
    let fields = select(vec![
        "Content-Type: application/x-protobuf\r\n",
        "Content-Encoding: snappy\r\n",
        "Content-Encoding:  gzip \t\r\n",
        "User-Agent: one\r\n",
        "user-agent: two\r\n",
        "User-Agent:\r\n",
        "Connection: close\r\n",
        "Connection: keep-alive\r\n",
        "Connection: content-length\r\n",
        "Expect: 100-continue\r\n",
        "Content-Length : 5\r\n",
        "X: y\r\n z\r\n",
        "X: y\n",
        "X:\"\r\n",
        "Upgrade: websocket\r\nConnection: upgrade\r\n",
        "Retry-Attempt: 1\r\n",
        "Transfer-Encoding: identity\r\n",
    ]);
    fields.prop_map(str::to_owned)
}

/// Fields that define where a body ends, and bodies that may agree with them.
fn framings() -> impl Strategy<Value = (&'static str, &'static str)> {
    let clean = prop_oneof![
        Just(("Content-Length: 5\r\n", "12345")),
        Just(("Transfer-Encoding: chunked\r\n", "5\r\n12345\r\n0\r\n\r\n")),
        Just(("Transfer-Encoding: chunked\r\n", "5\r\n12345\r\n0\r\nX: y\r\n\r\n")),
    ];
    prop_oneof![1 => clean, 2 => (select(LENGTHS.as_slice()), select(BODIES.as_slice()))]
}
