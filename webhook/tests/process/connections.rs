//! Clients that hold connections or flood the port: the program still answers a
//! new review in time. Everything is real: the binary, TLS, sockets.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{CONFIG, alone, directory, serve::Webhook};

/// How long a pod's creation may be delayed.
const IN_TIME: Duration = Duration::from_secs(1);
/// A busy machine may delay one review; it does not delay each of these.
const TRIES: usize = 5;
/// The API server's own patience.
const PATIENCE: Duration = Duration::from_secs(5);
/// A container's usual limit on open files.
const MAX_DESCRIPTORS: usize = 1024;
/// What the chart allows is 128 MiB; a debug build takes more than a release.
const MEMORY_KIB: usize = 96 << 10;

#[derive(Clone)]
pub(super) struct Client {
    address: SocketAddr,
    connector: TlsConnector,
}

impl Client {
    pub(super) fn new(directory: &Path, address: SocketAddr) -> Self {
        let pem = fs::read(directory.join("tls.crt")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Self { address, connector: TlsConnector::from(Arc::new(config)) }
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(super) async fn tls(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        self.connector.connect(name, TcpStream::connect(self.address).await?).await
    }

    /// A review over a new connection, as an API server without one sends it.
    pub(super) async fn review(&self) -> std::io::Result<String> {
        let mut stream = self.tls().await?;
        stream.write_all(&request(&review(), true)).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// Fails unless a new review is answered within a second.
    pub(super) async fn check(&self, while_there_are: &str) {
        let mut took = Vec::new();
        for _ in 0..TRIES {
            let start = Instant::now();
            let answer = tokio::time::timeout(PATIENCE, self.review()).await;
            took.push(start.elapsed());
            if matches!(answer, Ok(Ok(answer)) if answer.contains(r#""patchType":"JSONPatch""#))
                && start.elapsed() < IN_TIME
            {
                return;
            }
        }
        panic!("with {while_there_are}: {took:?}");
    }
}

pub(super) fn review() -> String {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "operation": "CREATE",
            "namespace": "monitoring",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "object": {
                "metadata": {"annotations": {"prom-remotewrite/inject": "true"}},
                "spec": {"containers": [{"name": "prometheus", "image": "prometheus"}]},
            },
        },
    })
    .to_string()
}

pub(super) fn request(body: &str, close: bool) -> Vec<u8> {
    let close = if close { "connection: close\r\n" } else { "" };
    format!(
        "POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{close}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// How a client holds a connection.
#[derive(Clone, Copy, Debug)]
enum Hold {
    /// TCP, and nothing more.
    Silent,
    /// The beginning of a TLS record.
    HalfHello,
    /// A complete handshake.
    Idle,
    /// One answered review.
    Used,
    /// A request whose body never ends.
    SlowBody,
}

/// Holds `count` connections; those that the webhook closes meanwhile count too.
async fn hold(client: &Client, how: Hold, count: usize) -> Vec<Box<dyn Send>> {
    let mut held: Vec<Box<dyn Send>> = Vec::new();
    // As many at a time as a client would have open at once.
    for _ in 0..count.div_ceil(50) {
        let mut batch = JoinSet::new();
        for _ in 0..50 {
            let client = client.clone();
            batch.spawn(async move { hold_one(&client, how).await });
        }
        held.extend(batch.join_all().await);
    }
    held
}

async fn hold_one(client: &Client, how: Hold) -> Box<dyn Send> {
    match how {
        Hold::Silent => Box::new(client.tcp().await),
        Hold::HalfHello => {
            let mut stream = client.tcp().await;
            let _ = stream.write_all(&[22, 3, 1, 2, 0, 1]).await;
            Box::new(stream)
        }
        Hold::Idle | Hold::Used | Hold::SlowBody => {
            let Ok(mut stream) = client.tls().await else { return Box::new(()) };
            let mut sent = request(&review(), false);
            match how {
                Hold::Used => {}
                // The head and the body's beginning.
                Hold::SlowBody => sent.truncate(200),
                _ => sent.clear(),
            }
            let _ = stream.write_all(&sent).await;
            if matches!(how, Hold::Used) {
                let _ = stream.read(&mut [0; 4096]).await;
            }
            Box::new(stream)
        }
    }
}

#[test]
fn held_connections_delay_no_review() {
    let _alone = alone();
    let directory = directory(CONFIG);
    let webhook = Webhook::start(directory.path(), &["--shutdown-delay", "0s"]);
    let client = Client::new(directory.path(), webhook.address);
    runtime().block_on(async {
        client.check("nobody else").await;
        for (how, sizes) in [
            (Hold::Idle, &[200, 250, 300, 1000][..]),
            (Hold::Used, &[300]),
            (Hold::SlowBody, &[300]),
            (Hold::Silent, &[500, 550, 1000]),
            (Hold::HalfHello, &[1000]),
        ] {
            for &count in sizes {
                let held = hold(&client, how, count).await;
                client.check(&format!("{count} of {how:?}")).await;
                drop(held);
            }
        }
        // All at once.
        let mut held = Vec::new();
        for how in [Hold::Idle, Hold::SlowBody, Hold::Silent, Hold::HalfHello] {
            held.push(hold(&client, how, 1000).await);
        }
        client.check("1000 of each kind").await;
    });
    let metrics = webhook.get("/metrics").unwrap();
    let displaced = r#"closed_connections_total{reason="displaced"} 0"#;
    assert!(!metrics.contains(displaced), "nothing had to make room: {metrics}");
    assert_memory(&webhook);
}

#[test]
fn a_flood_keeps_no_review_waiting() {
    let _alone = alone();
    let directory = directory(CONFIG);
    let webhook = Webhook::start(directory.path(), &["--shutdown-delay", "0s"]);
    check_flood(directory.path(), &webhook);
}

#[test]
fn a_flood_whose_log_nobody_reads_keeps_no_review_waiting() {
    let _alone = alone();
    let directory = directory(CONFIG);
    let more = ["--shutdown-delay", "0s", "--log-level", "debug"];
    let (webhook, _unread) = Webhook::start_unread(directory.path(), &more);
    check_flood(directory.path(), &webhook);
}

fn check_flood(directory: &Path, webhook: &Webhook) {
    let client = Client::new(directory, webhook.address);
    let flooding = Arc::new(AtomicBool::new(true));
    runtime().block_on(async {
        let mut flood = JoinSet::new();
        for number in 0..200 {
            let (client, flooding) = (client.clone(), flooding.clone());
            flood.spawn(async move {
                let mut held = Vec::new();
                while flooding.load(Ordering::Relaxed) {
                    match number % 4 {
                        // New connections without end, most of them kept.
                        0 => held.push(hold_one(&client, Hold::Silent).await),
                        1 => drop(client.review().await),
                        2 => held.push(hold_one(&client, Hold::Idle).await),
                        _ => held.push(hold_one(&client, Hold::SlowBody).await),
                    }
                    if held.len() > 20 {
                        held.clear();
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let open = webhook.descriptors();
            assert!(open < MAX_DESCRIPTORS, "{open} descriptors are open");
        }
        client.check("a flood").await;
        flooding.store(false, Ordering::Relaxed);
        flood.join_all().await;
    });
    assert_memory(webhook);
}

/// The kubelet's probes must not fail because someone holds connections to the other
/// port.
#[test]
fn the_admin_port_answers_whoever_holds_connections_to_it() {
    let directory = directory(CONFIG);
    let webhook = Webhook::start(directory.path(), &["--shutdown-delay", "0s"]);
    let held: Vec<_> =
        (0..500).map(|_| std::net::TcpStream::connect(webhook.admin).unwrap()).collect();
    let start = Instant::now();
    assert!(webhook.get("/health").unwrap().starts_with("HTTP/1.1 200"));
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    drop(held);
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The largest amount of memory that the program has used.
pub(super) fn assert_memory(webhook: &Webhook) {
    let status = fs::read_to_string(format!("/proc/{}/status", webhook.process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kib < MEMORY_KIB, "{line}");
}
