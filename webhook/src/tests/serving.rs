//! The listener on loopback: handshakes while certificates change, and who may
//! connect.

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
    sync::watch,
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

/// A running server, and what its clients need.
pub(super) struct Running {
    mounted: Mounted,
    tls: Arc<Tls>,
    pub(super) address: SocketAddr,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) ended: JoinHandle<()>,
}

impl Running {
    pub(super) async fn start(
        authority: &Authority,
        router: Router,
        clients: Option<&Authority>,
    ) -> Self {
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

pub(super) async fn get_over(stream: &mut TlsStream<TcpStream>) -> io::Result<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

pub(super) fn ok() -> Router {
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
