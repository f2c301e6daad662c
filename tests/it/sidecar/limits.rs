//! Bounds, and clients that do not keep to HTTP.

use std::time::{Duration, Instant};

use tests::azure::{Fault, Service};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{HEADERS, PATIENCE, Stage, batch, noise};

/// Sends bytes as they are and returns all that comes back until the end.
async fn raw(port: u16, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
    read.await.expect("the connection ends").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn refused(reason: &str) -> String {
    format!("prom_remotewrite_refused_requests_total{{reason=\"{reason}\"}}")
}

fn head(fields: &str) -> String {
    format!(
        "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n{fields}\r\n"
    )
}

#[tokio::test]
async fn requests_that_can_never_succeed_are_rejected_permanently() {
    let mut stage = Stage::new().await;
    stage.set("MAX_REQUEST_BYTES", "64Ki");
    stage.set("MAX_DECOMPRESSED_BYTES", "1Mi");
    let rig = stage.ready().await;
    let asked = rig.asked(Service::Ingestion);
    assert_eq!(rig.status(vec![0; 70_000]).await, 413);
    // A header that claims 4 GiB, in six bytes.
    assert_eq!(rig.status(vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0x00]).await, 413);
    assert_eq!(rig.status(vec![]).await, 400);
    assert_eq!(rig.status(vec![0xff; 10]).await, 400);
    let url = rig.url("/api/v1/write");
    for wrong in [
        &[("content-type", "application/json"), ("content-encoding", "snappy")][..],
        &[("content-type", "application/x-protobuf"), ("content-encoding", "gzip")],
        &[("content-type", "application/x-protobuf")],
        &[("content-type", "application/x-protobuf;proto=x"), ("content-encoding", "snappy")],
    ] {
        let reply = rig.client.post(&url, wrong, batch(["up"])).await.unwrap();
        assert_eq!(reply.status, 415, "{wrong:?}");
        assert!(reply.text().contains("expected"), "{}", reply.text());
    }
    assert_eq!(rig.asked(Service::Ingestion), asked, "nothing of it was sent on");
    assert_eq!(rig.status(batch(["up"])).await, 204);
    assert!(rig.metric("prom_remotewrite_refused_requests_total").await >= 8);
}

#[tokio::test]
async fn other_paths_and_methods() {
    let rig = Stage::new().await.ready().await;
    let check = async |method: http::Method, path: &str, status: u16| {
        let body = bytes::Bytes::new();
        let reply = rig.client.call(method.clone(), &rig.url(path), &HEADERS, body).await.unwrap();
        assert_eq!(reply.status.as_u16(), status, "{method} {path}");
    };
    check(http::Method::GET, "/api/v1/write", 405).await;
    check(http::Method::PUT, "/api/v1/write", 405).await;
    check(http::Method::GET, "/api/v1/query", 404).await;
    check(http::Method::GET, "/api/v1/push", 404).await;
    check(http::Method::PUT, "/metrics", 405).await;
    check(http::Method::HEAD, "/health", 200).await;
    assert_eq!(rig.metric(&refused("not_found")).await, 2);
    assert_eq!(rig.metric(&refused("method_not_allowed")).await, 3);
}

#[tokio::test]
async fn a_writes_query_is_of_no_concern() {
    let rig = Stage::new().await.ready().await;
    let body = batch(["up"]);
    for query in ["", "tenant=a%20b", "cluster={a|b}\"^`\\<>[]"] {
        let fields = format!("Content-Length: {}\r\nConnection: close\r\n", body.len());
        let head = head(&fields).replace("/write", &format!("/write?{query}"));
        let answer = raw(rig.port, &[head.as_bytes(), &body].concat()).await;
        assert!(answer.starts_with("HTTP/1.1 204"), "{query}: {answer}");
    }
    let sent_on = &rig.azure().requests(Service::Ingestion)[0];
    assert!(!sent_on.target.contains("tenant"), "{}", sent_on.target);
}

#[tokio::test]
async fn bodies_come_in_every_framing() {
    let rig = Stage::new().await.ready().await;
    let body = batch(["up"]);
    let mut chunked = head("Transfer-Encoding: chunked\r\nConnection: close\r\n").into_bytes();
    for piece in body.chunks(7) {
        chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunked.extend_from_slice(piece);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert!(raw(rig.port, &chunked).await.starts_with("HTTP/1.1 204"));

    // Two requests at once, answered in turn.
    let one = head(&format!("Content-Length: {}\r\n", body.len()));
    let last = head(&format!("Content-Length: {}\r\nConnection: close\r\n", body.len()));
    let pipelined = [one.as_bytes(), &body, last.as_bytes(), &body].concat();
    assert_eq!(raw(rig.port, &pipelined).await.matches("HTTP/1.1 204").count(), 2);

    let waiting = head(&format!(
        "Content-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n",
        body.len()
    ));
    let mut stream = TcpStream::connect(("127.0.0.1", rig.port)).await.unwrap();
    stream.write_all(waiting.as_bytes()).await.unwrap();
    let mut invited = [0; 25];
    stream.read_exact(&mut invited).await.unwrap();
    assert_eq!(&invited, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert_eq!(rig.stored()["up"], 4);
}

#[tokio::test]
async fn requests_that_are_not_http_are_rejected_and_the_connection_closed() {
    let rig = Stage::new().await.ready().await;
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), "400"),
        ("\u{16}\u{3}\u{1}".to_owned() + "\r\n\r\n", "400"),
        (head("Content-Length: 3\r\nContent-Length: 4\r\n") + "abcd", "400"),
        (head("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", "400"),
        (head("Transfer-Encoding: chunked\r\n") + "xyz\r\n", "400"),
        (head(&format!("X-Filler: {}\r\n", "a".repeat(20_000))), "503"),
        (head(&"X: y\r\n".repeat(100)), "503"),
    ] {
        let answer = raw(rig.port, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request:.60}: {answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        assert_eq!(status == "503", answer.contains("remove headers"), "{answer}");
        assert_eq!(status == "503", answer.contains("retry-after: 5"), "{answer}");
        let is_tls = request.starts_with('\u{16}');
        assert_eq!(is_tls, answer.contains("this port is plain HTTP: use http://"), "{answer}");
    }
    assert_eq!(rig.metric(&refused("malformed_head")).await, 4);
    assert_eq!(rig.metric(&refused("malformed_chunks")).await, 1);
    assert_eq!(rig.metric(&refused("head_too_large")).await, 2);
    assert_eq!(rig.status(batch(["up"])).await, 204);
}

#[tokio::test]
async fn slow_clients_do_not_stay() {
    let mut stage = Stage::new().await;
    stage.set("HEADER_TIMEOUT", "300ms");
    stage.set("IDLE_TIMEOUT", "600ms");
    stage.set("UPSTREAM_TIMEOUT", "500ms");
    let rig = stage.ready().await;
    let begun = Instant::now();
    let slow_head = raw(rig.port, b"POST /api/v1/write HT").await;
    assert!(slow_head.starts_with("HTTP/1.1 503"), "{slow_head}");
    let slow_body = raw(rig.port, (head("Content-Length: 100\r\n") + "abc").as_bytes()).await;
    assert!(slow_body.starts_with("HTTP/1.1 503"), "{slow_body}");
    assert!(slow_body.contains("retry-after: 1"), "{slow_body}");
    let spoken = raw(rig.port, b"GET /health HTTP/1.1\r\n\r\n").await;
    assert!(spoken.ends_with("ok\n"), "closed without another word: {spoken}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(rig.status(batch(["up"])).await, 204);
    assert_eq!(rig.metric(&refused("slow_head")).await, 1);
    assert_eq!(rig.metric(&refused("slow_body")).await, 1);
}

#[tokio::test]
async fn interrupted_requests_are_counted() {
    let mut rig = Stage::new().await.ready().await;
    for part in ["POST /api/v1/wr".to_owned(), head("Content-Length: 100\r\n") + "abc"] {
        let mut stream = TcpStream::connect(("127.0.0.1", rig.port)).await.unwrap();
        stream.write_all(part.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
    }
    assert_eq!(rig.metric(&refused("client_gone")).await, 2);
    let said = |line: &str| line.contains("reason=client_gone").then_some(());
    rig.process.line("it is logged", PATIENCE, said).await.unwrap();
}

#[tokio::test]
async fn silent_connections_lose_their_slot_soon() {
    let mut stage = Stage::new().await;
    stage.set("HEADER_TIMEOUT", "300ms");
    stage.set("IDLE_TIMEOUT", "6m");
    let rig = stage.ready().await;
    assert_eq!(raw(rig.port, b"").await, "", "the connection is closed without a word");
}

#[tokio::test]
async fn requests_under_way_are_bounded_by_their_bytes() {
    let mut stage = Stage::new().await;
    stage.set("MAX_IN_FLIGHT_BYTES", "3Mi");
    let rig = stage.ready().await;
    rig.azure().faults(Service::Ingestion).always(Fault::delay(Duration::from_millis(800)));
    let large =
        || vec![0x80_u8, 0x80, 0x20].into_iter().chain(vec![0; 900_000]).collect::<Vec<_>>();
    let replies = tokio::join!(
        rig.status(large()),
        rig.status(large()),
        rig.status(large()),
        rig.status(large()),
        rig.status(large()),
    );
    let statuses: [u16; 5] = replies.into();
    assert_eq!(rig.metric(&refused("in_flight_limit")).await, 2, "{statuses:?}");
    assert!(statuses.iter().filter(|status| **status == 503).count() >= 2, "{statuses:?}");
    rig.azure().faults(Service::Ingestion).clear();
    assert_eq!(rig.status(batch(["up"])).await, 204, "what was held is given back");
    assert_eq!(rig.metric("prom_remotewrite_in_flight_bytes ").await, 0);
}

#[tokio::test]
async fn a_request_within_the_limit_is_accepted_and_a_larger_one_is_final() {
    const LIMIT: usize = 300 << 10;
    let mut stage = Stage::new().await;
    stage.set("MAX_IN_FLIGHT_BYTES", "300Ki");
    stage.set("MAX_DECOMPRESSED_BYTES", "64Mi");
    let rig = stage.ready().await;
    let large = |length: usize| {
        let body = [vec![0x80, 0x80, 0x20], noise(1, length - 3).into_bytes()].concat();
        let head = head(&format!("Content-Length: {length}\r\nConnection: close\r\n"));
        let mut chunked = head
            .replace(&format!("Content-Length: {length}"), "Transfer-Encoding: chunked")
            .into_bytes();
        for piece in body.chunks(30_000) {
            chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            chunked.extend_from_slice(piece);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        [[head.as_bytes(), &body].concat(), chunked]
    };
    for length in [1000, LIMIT / 2, LIMIT - 1, LIMIT] {
        for request in large(length) {
            let answer = raw(rig.port, &request).await;
            // It is not a batch: that is for Azure to decide.
            assert!(answer.starts_with("HTTP/1.1 400"), "{length}: {answer}");
        }
    }
    assert_eq!(rig.asked(Service::Ingestion), 8);
    for length in [LIMIT + 1, LIMIT + 5000, 4 * LIMIT] {
        for request in large(length) {
            let answer = raw(rig.port, &request).await;
            assert!(answer.starts_with("HTTP/1.1 413"), "{length}: {answer}");
            assert!(answer.contains("MAX_REQUEST_BYTES=300Ki"), "{answer}");
        }
    }
    assert_eq!(rig.metric(&refused("request_too_large")).await, 6);
    assert_eq!(rig.metric(&refused("in_flight_limit")).await, 0);
}
