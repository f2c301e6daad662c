//! Answers that are legal but odd, or that break off, from an endpoint that
//! speaks byte by byte.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::sleep,
};

use super::{Rig, Stage, batch};

/// What a sidecar waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(6);

/// An endpoint that serves one request on each connection and then keeps the
/// connection open: it says `before` once the head is there, `after` once the
/// body is, too.
async fn endpoint(before: &'static [&'static [u8]], after: &'static [u8]) -> Rig {
    let socket = TcpSocket::new_v4().unwrap();
    // So that a large body does not fit in what the system holds.
    socket.set_recv_buffer_size(64 << 10).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(16).unwrap();
    let mut stage = Stage::new().await;
    let address = listener.local_addr().unwrap();
    stage.set(
        "INGESTION_URL",
        format!("http://{address}/dataCollectionRules/r/streams/s/api/v1/write"),
    );
    stage.set("UPSTREAM_TIMEOUT", format!("{}s", TIMEOUT.as_secs()));
    tokio::spawn(serve(listener, before, after));
    stage.ready().await
}

async fn serve(listener: TcpListener, before: &'static [&'static [u8]], after: &'static [u8]) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, before, after));
    }
}

async fn answer(mut stream: TcpStream, before: &[&[u8]], after: &[u8]) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    for piece in before {
        stream.write_all(piece).await.unwrap();
        sleep(Duration::from_millis(100)).await;
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    stream.write_all(after).await.unwrap();
    sleep(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn a_status_counts_though_its_body_never_ends() {
    for (answer, status) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthe beginning"[..], 200),
        (b"HTTP/1.1 200 OK\r\n\r\nthe beginning", 200),
        (b"HTTP/1.1 409 X\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nthe beginning", 409),
        (b"HTTP/1.1 503 X\r\nContent-Length: 100\r\n\r\nthe beginning", 503),
    ] {
        let rig = endpoint(&[], answer).await;
        let begun = Instant::now();
        let reply = rig.post(batch(["up"])).await;
        assert_eq!((reply.status.as_u16(), &*reply.text()), (status, "the beginning"));
        assert!(begun.elapsed() < TIMEOUT, "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn interim_answers_do_not_keep_a_body_from_being_sent() {
    const NOTHING: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
    let interim: &[&[u8]] =
        &[b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early", b" Hints\r\nLink: x\r\n\r\n"];
    let rig = endpoint(interim, NOTHING).await;
    // Snappy's length header, and more than the system's buffers hold.
    let body = [vec![0x80, 0x80, 0x40], vec![0; 14 << 20]].concat();
    assert_eq!(rig.status(body).await, 204);
}

#[tokio::test]
async fn a_status_counts_though_its_lengths_contradict_each_other() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n";
    let rig = endpoint(&[], answer).await;
    assert_eq!(rig.status(batch(["up"])).await, 200);
}

#[tokio::test]
async fn an_answer_that_comes_before_the_batch_was_sent_is_no_success() {
    // A refusal is heard; an acceptance of what was not sent would lose it.
    for (answer, status, words) in [
        (&b"HTTP/1.1 204 No Content\r\n\r\n"[..], 503, "before the batch was sent"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 503, "before the batch was sent"),
        (b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nno", 409, "no"),
    ] {
        let before: &'static [&'static [u8]] = Box::leak(Box::new([answer]));
        let rig = endpoint(before, b"").await;
        let body = [vec![0x80, 0x80, 0x40], vec![0; 14 << 20]].concat();
        let reply = rig.post(body).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        assert!(reply.text().contains(words), "{}", reply.text());
    }
}

#[tokio::test]
async fn answers_of_http_1_0_and_bytes_behind_an_answer_end_the_connection_only() {
    for answer in [
        &b"HTTP/1.0 204 No Content\r\n\r\n"[..],
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more",
    ] {
        let rig = endpoint(&[], answer).await;
        // Each on its own connection: the stand-in serves one on each.
        for _ in 0..3 {
            let status = rig.status(batch(["up"])).await;
            assert!((200..300).contains(&status), "{status}");
        }
    }
}
