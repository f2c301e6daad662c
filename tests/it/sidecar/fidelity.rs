//! What Prometheus sends is what Azure gets, and the sidecar's own metrics are what
//! Prometheus reads.

use prost::Message;
use sha2::{Digest, Sha256};
use tests::{
    azure::{
        Service,
        wire::{
            BucketSpan, Exemplar, Histogram, Label, MetricMetadata, Sample, TimeSeries,
            WriteRequest, v2,
        },
    },
    machine::process::Program,
    tools,
};

use super::{HEADERS, PATIENCE, Rig, Stage, batch, few, noise, series};

/// The value that marks a series' end, which no arithmetic may touch.
const STALE: u64 = 0x7ff0_0000_0000_0002;

fn compressed(message: &impl Message) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(&message.encode_to_vec()).unwrap()
}

/// Everything that remote write 1.0 can carry.
fn everything() -> WriteRequest {
    let exemplar = Exemplar {
        labels: vec![Label { name: "trace_id".into(), value: "abc".into() }],
        value: 1.0,
        timestamp: 1_795_000_000_000,
    };
    let histogram = Histogram {
        sum: 3.5,
        schema: 3,
        positive_spans: vec![BucketSpan { offset: -2, length: 2 }],
        positive_deltas: vec![1, -1],
        timestamp: 1_795_000_000_000,
        ..Histogram::default()
    };
    let out_of_order = [5, 3, 4].map(|timestamp| Sample {
        value: f64::from_bits(STALE),
        timestamp,
        start_timestamp: 0,
    });
    WriteRequest {
        timeseries: vec![
            TimeSeries { exemplars: vec![exemplar], ..series("counter", &[("a", "ü\u{0}\"")]) },
            TimeSeries { samples: vec![], histograms: vec![histogram], ..series("native", &[]) },
            TimeSeries { samples: out_of_order.to_vec(), ..series("stale", &[]) },
        ],
        metadata: vec![MetricMetadata {
            kind: 1,
            metric_family_name: "counter".into(),
            help: "What it is.".into(),
            unit: "bytes".into(),
        }],
    }
}

async fn arrives_as_sent(rig: &Rig, headers: &[(&str, &str)], body: &[u8]) -> u16 {
    let url = rig.url("/api/v1/write");
    let reply = rig.client.post(&url, headers, body.to_vec()).await.unwrap();
    let seen = rig.azure().requests(Service::Ingestion);
    let expected = (body.len(), Sha256::digest(body).to_vec());
    assert!(seen.iter().any(|one| (one.length, one.hash.to_vec()) == expected));
    reply.status.as_u16()
}

#[tokio::test]
async fn every_kind_of_sample_arrives_to_the_bit() {
    let rig = Stage::new().await.ready().await;
    let body = compressed(&everything());
    assert_eq!(arrives_as_sent(&rig, &HEADERS, &body).await, 204);
    // Damage behind a sound length header is Azure's to judge.
    let mut damaged = few(["up"]);
    *damaged.last_mut().unwrap() ^= 0xff;
    arrives_as_sent(&rig, &HEADERS, &damaged).await;
    let large = noise(7, 700_000);
    let body = compressed(&WriteRequest {
        timeseries: vec![series("large", &[("noise", &large)])],
        metadata: vec![],
    });
    assert_eq!(arrives_as_sent(&rig, &HEADERS, &body).await, 204);
}

#[tokio::test]
async fn remote_write_2_passes_through_with_its_answers_headers() {
    let mut rig = Stage::with(|setup| setup.remote_write_2 = true).await.ready().await;
    let sample = Sample { value: 1.0, timestamp: 1_795_000_000_000, start_timestamp: 0 };
    let request = v2::Request {
        symbols: ["", "__name__", "up"].map(String::from).to_vec(),
        timeseries: vec![v2::TimeSeries {
            labels_refs: vec![1, 2],
            samples: vec![sample],
            ..v2::TimeSeries::default()
        }],
    };
    let headers = [
        ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
        ("content-encoding", "snappy"),
        ("x-prometheus-remote-write-version", "2.0.0"),
    ];
    let body = compressed(&request);
    assert_eq!(arrives_as_sent(&rig, &headers, &body).await, 204);
    let reply = rig.client.post(&rig.url("/api/v1/write"), &headers, body.clone()).await.unwrap();
    assert_eq!(reply.headers["x-prometheus-remote-write-samples-written"], "1");
    rig.azure().change(|setup| setup.remote_write_2 = false);
    let reply = rig.client.post(&rig.url("/api/v1/write"), &headers, body).await.unwrap();
    assert_eq!(reply.status, 415);
    let explained = |line: &str| line.contains("protobuf_message").then_some(());
    rig.process.line("the remedy was logged", PATIENCE, explained).await.unwrap();
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_the_metrics() {
    let promtool = tools::find(&tools::PROMTOOL, "promtool").unwrap();
    let rig = Stage::new().await.ready().await;
    assert_eq!(rig.status(batch(["up"])).await, 204);
    assert_eq!(rig.status(vec![]).await, 400);
    let text = rig.client.get(&rig.url("/metrics")).await.unwrap().text();
    let file = rig.stage.file("metrics");
    let check = async |text: &str| {
        std::fs::write(&file, text).unwrap();
        let line = format!("exec {} check metrics < {}", promtool.display(), file.display());
        Program::new("promtool", "/bin/sh").args(["-c", &line]).run(PATIENCE).await
    };
    check(&text).await.unwrap();
    let spoilt = text.replace("prom_remotewrite_requests_total", "prom_remotewrite_requests");
    assert!(check(&spoilt).await.is_err(), "it does look");
}
