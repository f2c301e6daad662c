//! How connections end: silent ones, idle ones, and all of them at the drain.

use std::{sync::Arc, time::Duration};

use axum::{Router, routing::get};
use rustls::version::TLS13;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
};

use super::{
    authority::Authority,
    serving::{Running, client, connect, get_over, ok},
};
use crate::serve::Phase;

/// Longer than every limit; no time at all where the clock stands still.
const LONG: Duration = Duration::from_mins(3);

/// Time stands still but for waiting, so that the limits pass at once.
#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_cut_off() {
    let authority = Authority::new();
    let running = Running::start(&authority, ok(), None).await;
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    let mut byte = [0];
    let cut = tokio::time::timeout(LONG, silent.read(&mut byte));
    assert_eq!(cut.await.unwrap().unwrap_or(0), 0, "before the handshake");
    for sent in [&b""[..], b"POST /mutate HTTP/1.1\r\nhost: x\r\n"] {
        let mut stream =
            connect(running.address, &client(authority.roots(), &TLS13)).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap();
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test]
async fn requests_in_flight_are_answered_before_the_exit() {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (entered, leave) = (entered.clone(), leave.clone());
        move || async move {
            entered.notify_one();
            leave.notified().await;
            "late"
        }
    };
    let authority = Authority::new();
    let running = Running::start(&authority, Router::new().route("/", get(handler)), None).await;
    let client = client(authority.roots(), &TLS13);
    let mut stream = connect(running.address, &client).await.unwrap();
    let idle = connect(running.address, &client).await.unwrap();
    let answer = tokio::spawn(async move { get_over(&mut stream).await });
    entered.notified().await;
    running.phase.send(Phase::Draining).unwrap();
    let closed = async {
        while TcpStream::connect(running.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), closed).await.unwrap();
    assert!(!running.ended.is_finished(), "ended with a request under way");
    leave.notify_one();
    assert!(answer.await.unwrap().unwrap().ends_with("late"));
    drop(idle);
    tokio::time::timeout(Duration::from_secs(5), running.ended).await.unwrap().unwrap();
}

/// A client like the API server keeps its connections and does not repeat a review
/// that met the end of one.
#[tokio::test(start_paused = true)]
async fn a_connection_in_use_is_told_its_end_before_the_drain() {
    let authority = Authority::new();
    let running = Running::start(&authority, ok(), None).await;
    let mut client = client(authority.roots(), &TLS13);
    let mut stream = connect(running.address, &client).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut answer = vec![0; 4096];
    stream.write_all(request).await.unwrap();
    let length = stream.read(&mut answer).await.unwrap();
    let first = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(first.ends_with("ok") && !first.contains("connection:"), "{first}");
    running.phase.send(Phase::Leaving).unwrap();
    tokio::time::sleep(LONG / 6).await;
    stream.write_all(request).await.unwrap();
    let mut last = String::new();
    stream.read_to_string(&mut last).await.unwrap();
    assert!(last.contains("\r\nconnection: close\r\n") && last.ends_with("ok"), "{last}");
    // New ones are still served, and HTTP/2 continues until the drain.
    let mut new = connect(running.address, &client).await.unwrap();
    assert!(get_over(&mut new).await.unwrap().ends_with("ok"));
    client.alpn_protocols = vec![b"h2".to_vec()];
    let mut two = connect(running.address, &client).await.unwrap();
    two.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let open = tokio::time::timeout(Duration::from_secs(10), async {
        while two.read(&mut answer).await.is_ok_and(|length| length > 0) {}
    });
    assert!(open.await.is_err(), "closed before the drain");
    running.phase.send(Phase::Draining).unwrap();
    tokio::time::timeout(Duration::from_secs(6), running.ended).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn draining_has_an_end() {
    let authority = Authority::new();
    let never = Router::new().route("/", get(std::future::pending::<&'static str>));
    let running = Running::start(&authority, never, None).await;
    let mut stream = connect(running.address, &client(authority.roots(), &TLS13)).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    running.phase.send(Phase::Draining).unwrap();
    tokio::time::timeout(Duration::from_secs(6), running.ended).await.unwrap().unwrap();
}

/// An idle connection is closed, whatever protocol it speaks, but not within the 90 s
/// that API servers keep one; the time begins with the last answer.
#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_later_than_api_servers_close_it() {
    let authority = Authority::new();
    let running = Running::start(&authority, ok(), None).await;
    let mut client = client(authority.roots(), &TLS13);
    let mut one = connect(running.address, &client).await.unwrap();
    client.alpn_protocols = vec![b"h2".to_vec()];
    let mut two = connect(running.address, &client).await.unwrap();
    two.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    tokio::time::sleep(Duration::from_secs(85)).await;
    one.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let started = tokio::time::Instant::now();
    let mut answers = Vec::new();
    tokio::time::timeout(LONG, two.read_to_end(&mut answers)).await.unwrap().unwrap_or(0);
    assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
    answers.clear();
    let _ = tokio::time::timeout(LONG, one.read_to_end(&mut answers)).await.unwrap();
    let text = String::from_utf8_lossy(&answers);
    assert!(text.starts_with("HTTP/1.1 200"), "{text:?} after {:?}", started.elapsed());
    assert!(started.elapsed() > Duration::from_secs(95), "{:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(110), "{:?}", started.elapsed());
}

/// More silent connections than there are slots do not delay a real one.
#[tokio::test(start_paused = true)]
async fn a_flood_of_silent_connections_passes() {
    let authority = Authority::new();
    let running = Running::start(&authority, ok(), None).await;
    let mut flood = Vec::new();
    for _ in 0..1000 {
        flood.push(TcpStream::connect(running.address).await.unwrap());
    }
    let client = client(authority.roots(), &TLS13);
    let stream = tokio::time::timeout(LONG, connect(running.address, &client));
    assert!(get_over(&mut stream.await.unwrap().unwrap()).await.unwrap().ends_with("ok"));
}
