use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::{metrics::DialCounters, trust::Trust};

/// What a client that is ready to wait for 300 ms makes of a service that
/// sends `answer` and then nothing more.
async fn failure(answer: &'static [u8]) -> Failure {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let service = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer).await.unwrap();
        std::future::pending::<()>().await;
    });
    let dialer = Dialer::new(None, &Trust::in_certificates(Vec::new()), &DialCounters::default());
    let transport = Transport::new(
        TokenService::Imds(Some(base)),
        dialer.for_metadata(),
        Duration::from_millis(300),
        || SystemTime::UNIX_EPOCH,
    );
    let url = "http://169.254.169.254/metadata/identity/oauth2/token".parse().unwrap();
    let error = transport.execute_request(&Request::new(url, Method::Get)).await.unwrap_err();
    service.abort();
    assert_eq!(error.kind(), &ErrorKind::Other, "others are repeated");
    Failure::within(&error).cloned().unwrap()
}

#[tokio::test]
async fn one_limit_holds_for_the_head_and_for_the_body() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{";
    for answer in [b"".as_slice(), b"HTTP/1.1 200", head] {
        let failure = failure(answer).await;
        assert!(matches!(failure, Failure::TimedOut { .. }), "{failure}");
    }
}

#[tokio::test]
async fn a_response_that_is_not_http_breaks_the_connection() {
    let failure = failure(b"SSH-2.0-OpenSSH_9.2p1\r\n").await;
    assert!(matches!(failure, Failure::Broken { .. }), "{failure}");
}

#[test]
fn only_the_metadata_services_own_address_is_replaced() {
    let check = |base: &str, url: &str, expected: &str| {
        let service = TokenService::Imds(Some(base.parse().unwrap()));
        assert_eq!(redirected(&url.parse().unwrap(), &service).as_str(), expected);
    };
    let url = "http://169.254.169.254/metadata/identity/oauth2/token?resource=a%2Fb";
    let path = "/metadata/identity/oauth2/token?resource=a%2Fb";
    check("http://127.0.0.1:40342", url, &format!("http://127.0.0.1:40342{path}"));
    check("https://[::1]", url, &format!("https://[::1]{path}"));
    check("http://127.0.0.1:1", "http://localhost:2/msi", "http://localhost:2/msi");
}
