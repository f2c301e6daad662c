//! Batches of remote write 2.0, whose series share a table of symbols.

use prost::Message;
use tests::{
    azure::wire::{Histogram, Sample, v2},
    client::Reply,
};

use super::super::{Rig, Stage, noise};

#[tokio::test]
async fn a_batch_of_2_0_is_searched_and_says_what_was_written() {
    let rig = Stage::with(|setup| {
        setup.remote_write_2 = true;
        setup.poison = vec!["metric_3".into()];
    });
    let rig = rig.await.ready().await;
    for count in [4_u32, 2000] {
        let mut symbols = vec![String::new(), "__name__".into(), "of".into(), count.to_string()];
        let mut timeseries = Vec::new();
        for number in 0..count {
            let name = u32::try_from(symbols.len()).unwrap();
            symbols.push(format!("metric_{number}"));
            let timestamp = 1_795_000_000_000;
            let sample = |at| Sample { value: 1.0, timestamp: timestamp + at, start_timestamp: 0 };
            let histogram = Histogram { sum: 1.0, timestamp, ..Histogram::default() };
            timeseries.push(v2::TimeSeries {
                labels_refs: vec![1, name, 2, 3],
                samples: vec![sample(0), sample(1)],
                histograms: if number % 2 == 0 { vec![histogram] } else { vec![] },
                ..v2::TimeSeries::default()
            });
        }
        let reply = post_v2(&rig, v2::Request { symbols, timeseries }).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        let written = |kind: &str| {
            let value = &reply.headers[format!("x-prometheus-remote-write-{kind}-written")];
            value.to_str().unwrap().parse::<u32>().unwrap()
        };
        let expected = (2 * (count - 1), count / 2, 0);
        assert_eq!((written("samples"), written("histograms"), written("exemplars")), expected);
    }
}

#[tokio::test]
async fn a_batch_of_2_0_is_split_with_the_symbols_that_each_part_needs() {
    let rig = Stage::with(|setup| setup.remote_write_2 = true).await.ready().await;
    let mut symbols = vec![String::new(), "__name__".into(), "noise".into()];
    let mut timeseries = Vec::new();
    for number in 0..300_u32 {
        symbols.push(format!("metric_{number}"));
        symbols.push(noise(number.into(), 10_000));
        let labels_refs = vec![1, 3 + 2 * number, 2, 4 + 2 * number];
        let sample = Sample { value: 1.0, timestamp: 1_795_000_000_000, start_timestamp: 0 };
        timeseries.push(v2::TimeSeries {
            labels_refs,
            samples: vec![sample],
            ..v2::TimeSeries::default()
        });
    }
    let reply = post_v2(&rig, v2::Request { symbols, timeseries }).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert_eq!(reply.headers["x-prometheus-remote-write-samples-written"], "300");
    let stored = rig.stored();
    assert_eq!(stored.len(), 300);
    assert!(stored.values().all(|samples| *samples == 1), "none twice");
}

async fn post_v2(rig: &Rig, request: v2::Request) -> Reply {
    let body = snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap();
    let headers = [
        ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
        ("content-encoding", "snappy"),
        ("x-prometheus-remote-write-version", "2.0.0"),
    ];
    rig.client.post(&rig.url("/api/v1/write"), &headers, body).await.unwrap()
}
