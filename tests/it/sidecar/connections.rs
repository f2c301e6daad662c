//! Many connections: no one keeps others out, and memory stays bounded.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tests::{
    azure::{Fault, Service},
    client::Client,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{HEADERS, PATIENCE, Rig, Stage, batch, is_emulated, own_address};

/// For so long a sender tries to be rid of its body.
const SENDING: Duration = Duration::from_secs(5);

async fn connect(rig: &Rig, say: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", rig.port)).await.unwrap();
    stream.write_all(say).await.unwrap();
    stream
}

/// What comes back on a new connection, to its end.
async fn ask(rig: &Rig, request: &[u8]) -> String {
    let mut stream = connect(rig, request).await;
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer comes").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

const PROBE: &[u8] = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
const THREE_IN_FLIGHT: &str = "prom_remotewrite_in_flight_requests{destination=\"\"} 3\n";
const METRICS: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

fn write(fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST /api/v1/write HTTP/1.1\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\nContent-Length: {length}\r\n{fields}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A thousand connections need more than the usual 1024 files.
fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

#[tokio::test]
async fn idle_connections_in_any_number_keep_no_client_out() {
    raise_open_files();
    for (most, counts) in [(4, [3, 4, 5, 300]), (64, [63, 64, 65, 500])] {
        let mut stage = Stage::new().await;
        stage.set("MAX_CONNECTIONS", most.to_string());
        let rig = stage.ready().await;
        for count in counts {
            let mut idle = Vec::new();
            for n in 0..count {
                // Silent, within a head, and between requests.
                let say: [&[u8]; 3] = [b"", b"POST /api/v1/wr", b"GET /health HTTP/1.1\r\n\r\n"];
                idle.push(connect(&rig, say[n % 3]).await);
            }
            let probe = ask(&rig, PROBE).await;
            assert!(probe.starts_with("HTTP/1.1 200"), "{count} of {most}: {probe}");
            let wrote = ask(&rig, &write("Connection: close\r\n", &batch(["up"]))).await;
            assert!(wrote.starts_with("HTTP/1.1 204"), "{count} of {most}: {wrote}");
        }
        assert!(rig.metric("prom_remotewrite_displaced_connections_total").await > 0);
        assert_eq!(
            rig.metric(r#"prom_remotewrite_refused_requests_total{reason="connection_limit"}"#)
                .await,
            0
        );
    }
}

#[tokio::test]
async fn connections_from_another_pod_do_not_keep_its_node_from_probing() {
    raise_open_files();
    let Some(address) = own_address() else { return };
    let rig = Stage::new().await.ready().await;
    let url = format!("http://{address}:{}/health", rig.port);
    for count in [63, 64, 65, 400] {
        let mut idle = Vec::new();
        for n in 0..count {
            let mut stream = TcpStream::connect((address, rig.port)).await.unwrap();
            let say: [&[u8]; 2] = [b"", b"GET /metrics HT"];
            stream.write_all(say[n % 2]).await.unwrap();
            idle.push(stream);
        }
        assert_eq!(Client::plain().get(&url).await.unwrap().status, 200, "{count}");
        assert_eq!(rig.status(batch(["up"])).await, 204, "{count}");
    }
}

#[tokio::test]
async fn writes_beyond_the_limit_are_asked_to_retry_and_probes_are_answered() {
    let mut stage = Stage::new().await;
    stage.set("MAX_CONNECTIONS", "3");
    let rig = stage.ready().await;
    rig.azure().faults(Service::Ingestion).push_times(3, &Fault::delay(Duration::from_secs(2)));
    let mut served = Vec::new();
    for _ in 0..3 {
        served.push(connect(&rig, &write("Connection: close\r\n", &batch(["up"]))).await);
    }
    let begun = Instant::now();
    // On connections of their own: one that is kept is closed for a fourth.
    while !ask(&rig, METRICS).await.contains(THREE_IN_FLIGHT) {
        assert!(begun.elapsed() < PATIENCE, "{}", rig.process.output());
        sleep(Duration::from_millis(20)).await;
    }
    for _ in 0..5 {
        let answer = ask(&rig, &write("", &batch(["up"]))).await;
        assert!(
            answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"),
            "{answer}"
        );
        assert!(answer.contains("MAX_CONNECTIONS"), "{answer}");
        assert!(ask(&rig, PROBE).await.starts_with("HTTP/1.1 200"));
    }
    for mut stream in served {
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 204"), "none of them was given up: {answer}");
    }
}

/// The memory that a thousand connections may take at default limits: well below
/// the 128 MiB that the webhook gives the container.
const MOST_MEMORY: u64 = 100 << 20;

#[tokio::test]
async fn a_thousand_connections_of_the_worst_kinds_stay_within_memory() {
    if is_emulated("a_thousand_connections_of_the_worst_kinds_stay_within_memory") {
        return;
    }
    raise_open_files();
    let rig = Stage::new().await.ready().await;
    let mut open = Vec::new();
    let large_head = format!("POST /api/v1/write HTTP/1.1\r\nX-Large: {}", "x".repeat(15_000));
    let body = write("X: y\r\n", &vec![0x80; 1 << 20]);
    let chunk = "POST /api/v1/write HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7530\r\n"
        .to_owned()
        + &"x".repeat(29_000);
    for n in 0..1000 {
        let say: &[u8] = match n % 4 {
            0 => b"",
            1 => large_head.as_bytes(),
            2 => &body[..30_000],
            _ => chunk.as_bytes(),
        };
        // Fewer of these: each costs the sidecar a lot of work first.
        if n % 20 == 0 {
            open.push(slow_reader(&rig).await);
            continue;
        }
        open.push(connect(&rig, say).await);
    }
    assert!(ask(&rig, PROBE).await.starts_with("HTTP/1.1 200"));
    let wrote = ask(&rig, &write("Connection: close\r\n", &batch(["up"]))).await;
    assert!(wrote.starts_with("HTTP/1.1 204"), "{wrote}");
    within_memory(&rig);
    drop(open);

    // All of them send as much as one request may have, and do not finish it.
    let mut senders = JoinSet::new();
    for _ in 0..1000 {
        let mut stream = connect(&rig, b"").await;
        let body = body.clone();
        senders.spawn(async move {
            let _ = timeout(SENDING, stream.write_all(&body[..1 << 20])).await;
            stream
        });
    }
    let open = senders.join_all().await;
    assert!(ask(&rig, PROBE).await.starts_with("HTTP/1.1 200"));
    within_memory(&rig);
    drop(open);
    assert_eq!(rig.status(batch(["up"])).await, 204);
}

fn within_memory(rig: &Rig) {
    let peak = rig.process.usage().unwrap().peak_memory;
    assert!(peak < MOST_MEMORY, "{} MiB", peak >> 20);
}

/// Asks for the metrics again and again and does not read them.
async fn slow_reader(rig: &Rig) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let address = format!("127.0.0.1:{}", rig.port).parse().unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let asks = b"GET /metrics HTTP/1.1\r\n\r\n".repeat(20);
    stream.write_all(&asks).await.unwrap();
    stream
}

#[tokio::test]
async fn fifty_connections_lose_nothing_while_the_token_is_replaced() {
    const WRITES: usize = 3;
    let stage = Stage::new().await;
    stage.azure.change(|setup| setup.metadata_cache = false);
    let rig = stage.ready().await;
    let mut shards = JoinSet::new();
    let url = rig.url("/api/v1/write");
    for shard in 0..50 {
        let (url, body) = (url.clone(), batch([&*format!("shard_{shard}")]));
        shards.spawn(async move {
            // Each with its own connection, as Prometheus' shards have.
            let client = Client::plain();
            for _ in 0..WRITES {
                let begun = Instant::now();
                loop {
                    let reply = client.post(&url, &HEADERS, body.clone()).await.unwrap();
                    if reply.status == 204 {
                        break;
                    }
                    let answer = (reply.status, reply.text());
                    assert!(begun.elapsed() < PATIENCE, "shard {shard} is blocked: {answer:?}");
                    sleep(Duration::from_millis(200)).await;
                }
            }
        });
    }
    let begun = Instant::now();
    while rig.asked(Service::Ingestion) < 50 {
        assert!(begun.elapsed() < PATIENCE, "{}", rig.process.output());
        sleep(Duration::from_millis(10)).await;
    }
    rig.azure().tokens().revoke_all();
    shards.join_all().await;
    let stored = rig.stored();
    assert_eq!(stored.len(), 50);
    assert!(stored.values().all(|times| *times == WRITES), "{stored:?}");
    assert!(rig.metric("prom_remotewrite_replayed_requests_total").await > 0, "it was noticed");
}
