use contract::{AuthorityHost, IngestionUrl, MetadataHost};
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use url::Url;

use super::*;

fn origin(url: &str) -> Origin {
    Origin::of(&url.parse().unwrap())
}

fn dialer(proxy: Option<&Proxy>) -> Dialer {
    Dialer::new(proxy, &Trust::in_certificates(Vec::new()), &DialCounters::default())
}

#[test]
fn exceptions_loopback_and_the_metadata_service_are_reached_directly() {
    let check = |exceptions: &str, url: &str, through: bool| {
        let proxy = Proxy::new("http://user:secret@proxy.example:3128", exceptions).unwrap();
        let dialer = dialer(Some(&proxy));
        let found = dialer.proxy_for(&origin(url));
        assert_eq!(found.is_some(), through, "{exceptions} {url}");
        assert!(!format!("{found:?} {dialer:?}").contains("secret"));
        assert_eq!(dialer.for_metadata().proxy_for(&origin(url)), None);
        assert_eq!(dialer.for_token_proxy(None).proxy_for(&origin(url)), None);
        assert!(found.is_none_or(|proxy| proxy.to_string() == "proxy.example:3128"));
    };
    check("", "https://a.example/", true);
    check("", "https://a.example./", true);
    for loopback in
        ["localhost", "localhost.", "127.0.0.1", "127.1.2.3", "[::1]", "[::ffff:127.0.0.1]"]
    {
        check("", &format!("https://{loopback}:1/"), false);
    }
    check("*", "https://a.example/", false);
    check("example", "https://a.example/", false);
    check("a.example", "https://a.example./", false);
    check("ample", "https://a.example/", true);
    check("10.0.0.0/8", "https://10.1.2.3/", false);
    check("10.0.0.0/8", "https://11.1.2.3/", true);
    assert_eq!(dialer(None).proxy_for(&origin("https://a.example/")), None);
}

#[tokio::test]
async fn a_host_that_tls_cannot_verify_gets_no_connection_instead_of_a_plain_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for host in ["dce-.example", "-a.example", "a..b", ""] {
        let to = Origin { host: host.to_owned(), port: 443, tls: true };
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let refused = dialer(None).secure(&to, tcp).await.err();
        assert!(matches!(refused, Some(DialError::Tls { .. })), "{host:?}: {refused:?}");
    }
}

/// The next connection is answered with `answer`, in pieces that `|` separates, and
/// then closed.
async fn proxy(answer: &'static str) -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("user:s3cret@{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        for piece in answer.split('|') {
            stream.write_all(piece.as_bytes()).await.unwrap();
            sleep(Duration::from_millis(20)).await;
        }
    });
    Proxy::new(&address, "").unwrap()
}

#[tokio::test]
async fn accepted_responses_of_a_proxy() {
    let to = origin("https://dce.example/");
    for answer in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.0 200\r\nVia: x\r\n\r\n",
        "HTT|P/1.1 2|00 Connection established\r\n|\r\n",
        "HTTP/1.1 103 X\r\n\r\nHTTP/1.1 201 X\r\nContent-Length: 5\r\n\r\n",
    ] {
        dialer(Some(&proxy(answer).await)).tcp(&to).await.unwrap();
    }
    for (answer, expected) in [
        ("HTTP/1.1 407 X\r\n\r\n", "answered 407 to CONNECT dce.example:443"),
        ("HTTP/1.1 4|03 Forbidden\r\n\r\n<html>", "answered 403"),
        ("HTTP/1.1 302 X\r\nLocation: http://x\r\n\r\n", "answered 302"),
        ("SSH-2.0\r\n\r\n", "connect through the proxy 127.0.0.1:"),
        ("", "connect through the proxy 127.0.0.1:"),
        ("HTTP/1.1 200 OK\r\n\r\nhello", "connect through the proxy 127.0.0.1:"),
    ] {
        let proxy = proxy(answer).await;
        let dialer = dialer(Some(&proxy));
        let error = dialer.tcp(&to).await.unwrap_err();
        let text = with_causes(&error);
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
        let counted = Dial { peer: "ingestion", result: "proxy", destination: Arc::default() };
        assert_eq!(dialer.counters.connections.get_or_create(&counted).get(), 1);
    }
}

#[tokio::test]
async fn the_next_address_is_tried_where_one_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = listener.local_addr().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(first_of(vec![closed, open]).await.unwrap().peer_addr().unwrap(), open);
    assert_eq!(first_of(vec![closed]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_waits_for_too_long_is_given_up() {
    let dialer = dialer(None);
    let _busy = dialer.lookups.acquire_many(u32::try_from(MAX_LOOKUPS).unwrap()).await.unwrap();
    let error = dialer.lookup("dce.example", 443).await.unwrap_err();
    assert_eq!(error.reason(), "lookup");
    assert!(with_causes(&error).contains("no answer within 10 s"));
    assert_eq!(dialer.lookup("::1", 443).await.unwrap(), ["[::1]:443".parse().unwrap()]);
}

proptest! {
    /// What the configuration accepts, TLS can verify.
    #[test]
    fn a_host_that_is_accepted_can_be_verified(
        host in "([a-zA-Z0-9_.~!$&'()*+,;=é-]|--|\\.\\.|xn--){1,70}|[a-z]{60,64}(\\.[a-z-]{58,64}){0,4}",
    ) {
        let url = format!("https://{host}/");
        let urls = [
            url.parse::<IngestionUrl>().ok().map(|url| url.url().clone()),
            url.parse::<AuthorityHost>().ok().map(|host| host.as_str().parse().unwrap()),
            url.parse::<MetadataHost>().ok().map(|host| host.url().clone()),
        ];
        for url in urls.iter().flatten() {
            let origin = Origin::of(url);
            let name = pki_types::ServerName::try_from(origin.name().to_owned());
            prop_assert!(origin.tls && name.is_ok(), "{url}");
        }
        prop_assert!(urls.iter().all(|one| one.is_some() == urls[0].is_some()));
        // The name that TLS asks for instead is read by the same rule.
        if let Ok(name) = host.parse::<ServerName>() {
            let dialer = dialer(None).for_token_proxy(Some(&name));
            let name = dialer.server_name.unwrap().to_string();
            prop_assert!(pki_types::ServerName::try_from(name).is_ok(), "{host}");
        }
        // The other way round: nothing that works is refused. Two dots at the end
        // are: rustls takes the one that is left.
        let parsed = Url::parse(&url).ok().map(|url| Origin::of(&url));
        let parsed = parsed.filter(|to| !to.name().ends_with('.'));
        if parsed.is_some_and(|to| pki_types::ServerName::try_from(to.name().to_owned()).is_ok()) {
            prop_assert!(urls[0].is_some(), "{url}");
        }
    }
}
