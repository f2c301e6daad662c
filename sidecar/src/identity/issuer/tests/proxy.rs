use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::metrics::DialCounters;

/// A proxy that answers the first `CONNECT` with `status`, and if that is 200,
/// leads to `service`. Returns its port and what it was asked.
async fn proxy(status: &'static str, service: &StandIn) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let service = service.address.trim_start_matches("https://").to_owned();
    let asked = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        client.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await.unwrap();
        if status.starts_with("200") {
            let mut service = TcpStream::connect(service).await.unwrap();
            // Either side may just go away.
            let _ = copy_bidirectional(&mut client, &mut service).await;
        }
        String::from_utf8(head).unwrap()
    });
    (port, asked)
}

fn issuer(port: u16, file: &Path, direct: &Dialer) -> Issuer {
    let variables = [
        (env::IDENTITY_TYPE, "workloadIdentity"),
        (env::AZURE_CLIENT_ID, CLIENT),
        (env::AZURE_TENANT_ID, TENANT),
        (env::AZURE_FEDERATED_TOKEN_FILE, file.to_str().unwrap()),
        (env::AZURE_AUTHORITY_HOST, "https://login.example"),
        (env::HTTPS_PROXY, &format!("http://user:p%40ss@127.0.0.1:{port}")),
    ];
    let settings = settings(&variables);
    let dialer = Dialer::new(settings.proxy.as_ref(), direct.trust(), &DialCounters::default());
    Issuer::new(&settings, &dialer, now)
}

fn token_file() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "eyJ.assertion.x").unwrap();
    file
}

#[tokio::test]
async fn a_token_is_fetched_inside_of_a_tunnel() {
    let (entra, direct) = StandIn::tls().await;
    let (port, asked) = proxy("200 OK", &entra).await;
    let file = token_file();
    entra.will(200, granted("token"));
    let mut issuer = issuer(port, file.path(), &direct);
    assert_eq!(bearer(&issuer.fetch().await.unwrap()), "token");
    let head = asked.await.unwrap();
    assert!(head.starts_with("CONNECT login.example:443 HTTP/1.1\r\n"), "{head}");
    // "user:p@ss"
    assert!(head.contains("Proxy-Authorization: Basic dXNlcjpwQHNz\r\n"), "{head}");
    assert!(!head.contains("assertion"));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_without_its_password() {
    let (entra, direct) = StandIn::tls().await;
    let (port, asked) = proxy("407 Proxy Authentication Required", &entra).await;
    let file = token_file();
    let error = issuer(port, file.path(), &direct).fetch().await.unwrap_err();
    asked.await.unwrap();
    assert_eq!(error.kind, FetchErrorKind::EntraUnreachable);
    let text = error.to_string();
    assert!(text.contains(&format!("through the proxy 127.0.0.1:{port}")), "{text}");
    assert!(text.contains("answered 407 to CONNECT login.example:443"), "{text}");
    assert!(!text.contains("p@ss") && !text.contains("p%40ss"), "{text}");
}
