//! The listener on loopback: handshakes while certificates change, time
//! limits, draining.

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, ServerName, UnixTime},
    time_provider::TimeProvider,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::authority::{Authority, Mounted, NAME, NOW};
use crate::{
    metrics::Metrics,
    serve::{
        Phase, serve,
        tls::{Reload, Tls},
    },
};

/// Longer than every limit; no time at all where the clock stands still.
const LONG: Duration = Duration::from_mins(3);

/// A running server, and what its clients need.
struct Running {
    mounted: Mounted,
    tls: Arc<Tls>,
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    ended: JoinHandle<()>,
}

impl Running {
    async fn start(authority: &Authority, router: Router, clients: Option<&Authority>) -> Self {
        let (chain, key) = authority.issue("leaf-0", 90);
        let mounted = Mounted::new(&chain, &key.serialize_pem());
        let client_ca = clients.map(|clients| {
            let path = mounted.path().join("clients.crt");
            std::fs::write(&path, clients.0.pem()).unwrap();
            path
        });
        let tls = mounted.load(client_ca.as_deref());
        let config = tls.server_config().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (phase, phases) = watch::channel(Phase::Serving);
        let ended = tokio::spawn(async move {
            let metrics = Metrics::default();
            serve(listener, config.into(), router, &metrics, phases, Duration::from_secs(5)).await;
        });
        Self { mounted, tls, address, phase, ended }
    }
}

/// Certificates of the tests are valid around [`NOW`], whenever they run.
#[derive(Debug)]
struct Fixed;

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(NOW)))
    }
}

pub(crate) fn client(
    roots: RootCertStore,
    version: &'static SupportedProtocolVersion,
) -> ClientConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(Fixed))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Each handshake is a whole one.
    config.resumption = rustls::client::Resumption::disabled();
    config
}

pub(crate) async fn connect(
    address: SocketAddr,
    client: &ClientConfig,
) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let connector = TlsConnector::from(Arc::new(client.clone()));
    connector.connect(ServerName::try_from(NAME).unwrap(), stream).await
}

async fn get_over(stream: &mut TlsStream<TcpStream>) -> io::Result<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn ok() -> Router {
    Router::new().route("/", get(|| async { "ok" }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_rotations_a_second_lose_no_request() {
    let authority = Authority::new();
    let running = Running::start(&authority, ok(), None).await;
    let pairs: Vec<_> = (1..=50).map(|n| authority.issue(&format!("leaf-{n}"), 90)).collect();
    let rotating = Arc::new(AtomicBool::new(true));
    let clients: Vec<JoinHandle<io::Result<BTreeSet<Vec<u8>>>>> = [&TLS12, &TLS13, &TLS13]
        .map(|version| {
            let client = client(authority.roots(), version);
            let (address, rotating) = (running.address, rotating.clone());
            tokio::spawn(async move {
                let mut seen = BTreeSet::new();
                while rotating.load(Ordering::Relaxed) {
                    let mut stream = connect(address, &client).await?;
                    let leaf = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
                    assert!(get_over(&mut stream).await?.ends_with("ok"));
                    seen.insert(leaf);
                }
                Ok(seen)
            })
        })
        .into();
    let mut taken = 0;
    for (chain, key) in &pairs {
        running.mounted.put(chain, &key.serialize_pem());
        taken +=
            usize::from(matches!(running.tls.reload(super::authority::now()), [Reload::Taken, _]));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    rotating.store(false, Ordering::Relaxed);
    assert_eq!(taken, pairs.len());
    for client in clients {
        let seen = client.await.unwrap().unwrap();
        assert!(seen.len() > 1, "no rotation was seen");
    }
}

#[tokio::test]
async fn http_2_is_offered_first() {
    let authority = Authority::new();
    let running = Running::start(&authority, ok(), None).await;
    let mut client = client(authority.roots(), &TLS13);
    client.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    let stream = connect(running.address, &client).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
}

#[tokio::test]
async fn only_clients_with_a_certificate_where_that_is_demanded() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let running = Running::start(&authority, ok(), Some(&clients)).await;
    let ask = async |issuer: Option<&Authority>| {
        let config = client(authority.roots(), &TLS13);
        let config = match issuer {
            None => config,
            Some(issuer) => {
                let (chain, key) = issuer.issue("kube-apiserver", 90);
                let chain = rustls::pki_types::pem::PemObject::pem_slice_iter(chain.as_bytes())
                    .map(Result::unwrap)
                    .collect();
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                let provider = Arc::new(aws_lc_rs::default_provider());
                ClientConfig::builder_with_details(provider, Arc::new(Fixed))
                    .with_protocol_versions(&[&TLS13])
                    .unwrap()
                    .with_root_certificates(authority.roots())
                    .with_client_auth_cert(chain, key)
                    .unwrap()
            }
        };
        let mut stream = connect(running.address, &config).await?;
        get_over(&mut stream).await
    };
    assert!(ask(None).await.is_err());
    assert!(ask(Some(&authority)).await.is_err());
    assert!(ask(Some(&clients)).await.unwrap().ends_with("ok"));
    // A new client CA is in use for the next connection; a damaged one never.
    let others = Authority::new();
    let put = |text: &str| {
        std::fs::write(running.mounted.path().join("clients.crt"), text).unwrap();
        let [_, reload] = running.tls.reload(super::authority::now());
        reload
    };
    assert!(matches!(put(&others.0.pem()), Reload::Taken));
    assert!(ask(Some(&clients)).await.is_err());
    assert!(ask(Some(&others)).await.unwrap().ends_with("ok"));
    for damaged in ["", "garbage", "-----BEGIN CERTIFICATE-----\n"] {
        assert!(matches!(put(damaged), Reload::Refused(_)), "{damaged:?}");
        assert!(ask(Some(&others)).await.unwrap().ends_with("ok"));
    }
}

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
async fn what_is_under_way_is_answered_before_the_end() {
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
    // New ones are still served, and HTTP/2 goes on until the drain.
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
