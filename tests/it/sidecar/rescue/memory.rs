//! What refused batches may take of the container's memory.

use std::time::{Duration, Instant};

use tests::azure::{Fault, Service};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet, time::sleep};

use super::super::{HEADERS, PATIENCE, Rig, Stage, encode, is_emulated, noise, series};

#[tokio::test]
async fn without_memory_to_open_a_batch_prometheus_sends_it_again() {
    let mut stage = Stage::new().await;
    stage.set("MAX_IN_FLIGHT_BYTES", "8Mi");
    let rig = stage.ready().await;
    let mut others = Vec::new();
    for _ in 0..5 {
        let mut other = TcpStream::connect(("127.0.0.1", rig.port)).await.unwrap();
        let head = "POST /api/v1/write HTTP/1.1\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\nContent-Length: 1048576\r\n\r\n";
        other.write_all(head.as_bytes()).await.unwrap();
        // Memory is held for what has arrived, and this never arrives whole.
        other.write_all(&vec![0; (1 << 20) - 1]).await.unwrap();
        others.push(other);
    }
    in_flight(&rig, |bytes| bytes >= 5 << 20).await;
    let large = || encode((0..150).map(|seed| series("large", &[("noise", &noise(seed, 9000))])));
    let reply = rig.post(large()).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(reply.text().contains("MAX_IN_FLIGHT_BYTES"), "{}", reply.text());
    assert_eq!(reply.headers["retry-after"], "1");
    drop(others);
    in_flight(&rig, |bytes| bytes == 0).await;
    assert_eq!(rig.status(large()).await, 204);
    assert_eq!(rig.azure().workspace(&rig.stage.rule, |workspace| workspace.series().count()), 150);
}

#[tokio::test]
async fn refused_batches_of_any_shape_stay_within_the_containers_memory() {
    if is_emulated("refused_batches_of_any_shape_stay_within_the_containers_memory") {
        return;
    }
    let rig = Stage::new().await.ready().await;
    let refusal = Fault::status(400).body("no").after(Duration::from_millis(300));
    rig.azure().faults(Service::Ingestion).always(refusal);
    let compressed = |raw: &[u8]| snap::raw::Encoder::new().compress_vec(raw).unwrap();
    // As many records as are looked at, each of them empty; labels without a text,
    // a million in one series; text that compresses well; text that does not.
    let empty = compressed(&[10, 0].repeat(1 << 17));
    let mut labels = vec![10, 0x80, 0x80, 0x80, 1];
    labels.extend([10, 0].repeat(1 << 20));
    let labels = compressed(&labels);
    let text = "lorem ipsum ".repeat(80);
    let dense = encode((0..40_000).map(|number| series(&format!("m_{number}"), &[("a", &text)])));
    let noisy = encode((0..3000).map(|seed| series("n", &[("a", &noise(seed, 1000))])));
    for body in [&empty, &labels, &dense, &noisy] {
        let mut posts = JoinSet::new();
        for _ in 0..60 {
            let (client, url, body) = (rig.client.clone(), rig.url("/api/v1/write"), body.clone());
            posts.spawn(async move { client.post(&url, &HEADERS, body).await.unwrap() });
        }
        for reply in posts.join_all().await {
            assert!(matches!(reply.status.as_u16(), 400 | 503 | 504), "{}", reply.text());
        }
        let peak = rig.process.usage().unwrap().peak_memory;
        assert!(peak < 100 << 20, "{} MiB after bodies of {} bytes", peak >> 20, body.len());
    }
}

/// Waits until so many bytes are in progress.
async fn in_flight(rig: &Rig, enough: impl Fn(u64) -> bool) {
    let begun = Instant::now();
    while !enough(rig.metric("prom_remotewrite_in_flight_bytes ").await) {
        assert!(begun.elapsed() < PATIENCE, "{}", rig.process.output());
        sleep(Duration::from_millis(20)).await;
    }
}
