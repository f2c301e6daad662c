use super::*;
use crate::http1::MAX_HEAD_BYTES;

fn parsed(fields: &str) -> Result<Option<RequestHead>, HeadError> {
    let text = format!("POST /api/v1/write?x HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    parse_request(text.as_bytes()).map(|found| found.map(|(head, _)| head))
}

fn framing(fields: &str) -> Option<Framing> {
    parsed(fields).ok().flatten().map(|head| head.framing)
}

#[test]
fn prometheus_own_head() {
    let text = "POST /api/v1/write HTTP/1.1\r\nHost: localhost:8081\r\nUser-Agent: Prometheus/3.16.0\r\nContent-Length: 7\r\nContent-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\nAuthorization: Bearer foreign\r\nCookie: a=b\r\n\r\nBODY";
    let (head, length) = parse_request(text.as_bytes()).unwrap().unwrap();
    assert_eq!(text.len() - length, 4);
    assert_eq!((head.method, head.route), (Method::Post, Route::Write));
    assert_eq!((head.framing, head.keep_alive), (Framing::Length(7), true));
    assert_eq!(head.message(), Ok(Message::V1));
    assert_eq!(
        String::from_utf8(head.forwarded).unwrap(),
        "User-Agent: Prometheus/3.16.0\r\nContent-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n"
    );
}

#[test]
fn lengths_that_contradict_each_other_are_refused() {
    assert_eq!(framing("Content-Length: 5\r\n"), Some(Framing::Length(5)));
    assert_eq!(framing("Content-Length: 5\r\nContent-Length: 5\r\n"), Some(Framing::Length(5)));
    assert_eq!(framing("Transfer-Encoding: chunked\r\n"), Some(Framing::Chunked));
    assert_eq!(framing(""), Some(Framing::Empty));
    for smuggled in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: x\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ] {
        assert_eq!(parsed(smuggled).err(), Some(HeadError::Contradictory), "{smuggled}");
    }
}

#[test]
fn heads_are_bounded_and_may_come_in_pieces() {
    assert!(parse_request(b"POST /api/v1/write HT").unwrap().is_none());
    assert_eq!(parse_request(b"\x16\x03\x01\x02\x00").err(), Some(HeadError::Tls));
    let endless = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(MAX_HEAD_BYTES));
    assert_eq!(parse_request(endless.as_bytes()).err(), Some(HeadError::TooLarge));
    assert_eq!(parsed(&"X: y\r\n".repeat(100)).err(), Some(HeadError::TooLarge));
}

#[test]
fn only_snappy_protobuf_is_remote_write() {
    let message = |kind: &str, encoding: &str| {
        let fields = format!("Content-Type: {kind}\r\nContent-Encoding: {encoding}\r\n");
        parsed(&fields).unwrap().unwrap().message().ok()
    };
    assert_eq!(message("application/x-protobuf", "snappy"), Some(Message::V1));
    let v2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
    assert_eq!(message(v2, "snappy"), Some(Message::V2));
    let v1 = "application/x-protobuf; proto=prometheus.WriteRequest";
    assert_eq!(message(v1, "Snappy"), Some(Message::V1));
    assert_eq!(message("application/json", "snappy"), None);
    assert_eq!(message("application/x-protobuf;proto=other", "snappy"), None);
    assert_eq!(message("application/x-protobuf", "gzip"), None);
}

#[test]
fn connections_are_kept_as_the_version_has_it() {
    let kept = |text: &str| parse_request(text.as_bytes()).unwrap().unwrap().0.keep_alive;
    assert!(kept("GET /health HTTP/1.1\r\n\r\n"));
    assert!(!kept("GET /health HTTP/1.1\r\nConnection: foo, Close\r\n\r\n"));
    assert!(!kept("GET /health HTTP/1.0\r\n\r\n"));
    assert!(kept("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    let contradictory = "Connection: close\r\nConnection: keep-alive\r\n";
    assert!(!kept(&format!("GET /health HTTP/1.1\r\n{contradictory}\r\n")));
}

#[test]
fn http_1_0_has_no_chunks() {
    let text = "POST /api/v1/write HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(parse_request(text.as_bytes()).err(), Some(HeadError::Contradictory));
}

#[test]
fn targets_are_known_by_their_path() {
    for (target, expected) in [
        ("/api/v1/write", Route::Write),
        ("/api/v1/write?tenant=a%20b&c", Route::Write),
        // As Go's client sends it, and no URI (RFC 3986, 3.4).
        ("/api/v1/write?cluster={a|b}\"^`\\<>[]#", Route::Write),
        ("/api/v1/write/", Route::Write),
        ("//api/v1//write///?x", Route::Write),
        ("http://x:8081/api/v1/write?a=http://y", Route::Write),
        ("http://x", Route::Unknown),
        ("/health/", Route::Health),
        ("/api/v1/write/extra", Route::OtherWrite),
        ("/write", Route::OtherWrite),
        ("/api/v1/push", Route::OtherWrite),
        ("/api/v1/receive", Route::OtherWrite),
        ("/us/east/api/v1/write", Route::OtherWrite),
        ("/insert/0/prometheus", Route::OtherWrite),
        ("/", Route::Unknown),
        ("*", Route::Unknown),
        ("/api/v1/query?write", Route::Unknown),
        ("/API/v1/writes", Route::Unknown),
    ] {
        assert_eq!(route(target), (expected, ""), "{target}");
    }
    for target in [
        "/tenants/api/v1/write",
        "//tenants//api/v1/write/?x",
        "http://x:8081/tenants/api/v1/write",
    ] {
        assert_eq!(route(target), (Route::Write, "tenants"), "{target}");
    }
}

#[test]
fn questions_about_the_protocol_are_recognised() {
    let head = |target: &str, fields: &str| {
        let text = format!("POST {target} HTTP/1.1\r\n{fields}\r\n");
        parse_request(text.as_bytes()).unwrap().unwrap().0
    };
    let write =
        "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\nContent-Length: 5\r\n";
    let zstd = write.replace("snappy", "zstd");
    let path = "/api/v1/write";
    let question = "/api/v1/write?get_vm_proto_version=1";
    assert!(head(question, "").is_protocol_question());
    assert!(head(path, &zstd).is_protocol_question());
    assert!(!head(question, write).is_protocol_question(), "a write in spite of its query");
    assert!(!head(path, write).is_protocol_question());
    assert!(head("/", write).announces_write() && head("/", &zstd).announces_write());
    assert!(!head("/", "").announces_write() && !head("/", "").announces_no_write());
    assert!(head("/", "Content-Type: application/json\r\n").announces_no_write());
}
