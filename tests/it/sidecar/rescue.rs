//! Batches that Azure refuses as a whole, and what is saved of them.

mod memory;
mod version_2;

use std::time::Duration;

use prost::Message;
use tests::{
    azure::{
        Fault, Service,
        wire::{MetricMetadata, Sample, TimeSeries, WriteRequest},
    },
    machine::clock::{Clock, since_epoch},
};
use tokio::time::sleep;

use super::{PATIENCE, Stage, encode, few, noise, series};

#[tokio::test]
async fn a_batch_that_is_too_large_is_split_by_series() {
    let rig = Stage::new().await.ready().await;
    let names: Vec<String> = (0..3000).map(|n| format!("metric_{n}")).collect();
    let body = encode(
        names.iter().zip(0..).map(|(name, seed)| series(name, &[("noise", &noise(seed, 1000))])),
    );
    assert!(body.len() > 2 << 20, "{}", body.len());
    // Again as a sender does that did not get the answer.
    for _ in 0..2 {
        assert_eq!(rig.status(body.clone()).await, 204);
        let stored = rig.stored();
        assert_eq!(stored.len(), 3000);
        assert!(stored.values().all(|samples| *samples == 1), "none twice");
    }
    assert_eq!(rig.metric("prom_remotewrite_split_requests_total").await, 2);
    assert_eq!(rig.metric("prom_remotewrite_rescued_samples_total").await, 3000);
}

#[tokio::test]
async fn a_series_that_is_too_large_alone_is_named_and_the_rest_is_saved() {
    let mut rig = Stage::new().await.ready().await;
    let giant = noise(1, 1_500_000);
    let body =
        encode([series("small", &[]), series("giant", &[("noise", &giant)]), series("other", &[])]);
    let reply = rig.post(body).await;
    assert_eq!(reply.status, 413, "{}", reply.text());
    assert_eq!(rig.stored().into_keys().collect::<Vec<_>>(), ["other", "small"]);
    let found = |line: &str| line.contains("giant{").then_some(());
    rig.process.line("the log names the series", PATIENCE, found).await.unwrap();
    let refused = r#"prom_remotewrite_refused_samples_total{reason="too_large"}"#;
    assert_eq!(rig.metric(refused).await, 1);
}

#[tokio::test]
async fn a_series_that_breaks_a_documented_limit_is_left_out() {
    let rig = Stage::with(|setup| setup.poison = vec!["bad".into()]).await.ready().await;
    let long = "x".repeat(1100);
    let asked = rig.asked(Service::Ingestion);
    let body =
        encode([series("good", &[]), series("bad", &[("label", &long)]), series("fine", &[])]);
    let reply = rig.post(body).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(rig.stored().into_keys().collect::<Vec<_>>(), ["fine", "good"]);
    assert_eq!(
        rig.asked(Service::Ingestion) - asked,
        3,
        "the batch, what is good of it, and what breaks the limit"
    );
    let refused = r#"prom_remotewrite_refused_samples_total{reason="label_value_too_long"}"#;
    assert_eq!(rig.metric(refused).await, 1);
}

#[tokio::test]
async fn one_refused_series_of_a_batch_takes_no_other_with_it() {
    for bad in [0, 1, 1234, 1999] {
        let name = format!("metric_{bad}");
        let mut rig = Stage::with(|setup| setup.poison = vec![name.clone()]).await.ready().await;
        let names: Vec<String> = (0..2000).map(|n| format!("metric_{n}")).collect();
        let reply = rig.post(few(names.iter().map(String::as_str))).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        let text = format!(
            "refused 1 sample of 1 series of this batch and stored the other 1999 samples: {name}{{"
        );
        assert!(reply.text().contains(&text), "{}", reply.text());
        let stored = rig.stored();
        assert_eq!(stored.len(), 1999);
        assert!(stored.values().all(|samples| *samples == 1), "none twice");
        assert!(!stored.contains_key(&name));
        let found = |line: &str| line.contains(&text).then_some(());
        rig.process.line("the log names the series", PATIENCE, found).await.unwrap();
        assert!(rig.asked(Service::Ingestion) <= 30, "{}", rig.asked(Service::Ingestion));
    }
}

#[tokio::test]
async fn a_search_that_takes_long_continues_with_each_retry() {
    let names: Vec<String> = (0..400).map(|n| format!("metric_{n}")).collect();
    let poison: Vec<String> = names.iter().step_by(2).cloned().collect();
    let rig = Stage::with(|setup| setup.poison = poison).await.ready().await;
    assert_eq!(rig.status(few(["first"])).await, 204);
    let body = few(names.iter().map(String::as_str));
    let mut asked = rig.asked(Service::Ingestion);
    let (mut statuses, mut pauses) = (Vec::new(), 0);
    while statuses.last() != Some(&400) {
        let status = rig.status(body.clone()).await;
        let before = std::mem::replace(&mut asked, rig.asked(Service::Ingestion));
        assert!(asked - before <= 64, "{}", asked - before);
        if status == 503 && asked - before <= 1 {
            // Where the first two tries are bad ones, the sidecar pauses for 8 s, and sends
            // the batch as a whole at most.
            pauses += 1;
            assert!(pauses < 60, "half a minute");
            sleep(Duration::from_millis(500)).await;
        } else {
            statuses.push(status);
        }
        assert!(statuses.len() < 20, "{statuses:?}");
    }
    assert!(statuses.len() > 1 && statuses[..statuses.len() - 1].iter().all(|one| *one == 503));
    let mut stored = rig.stored();
    stored.remove("first");
    assert_eq!(stored.len(), 200);
    assert!(stored.values().all(|samples| *samples == 1), "none twice");
    assert_eq!(rig.metric("prom_remotewrite_refused_samples_total").await, 200);
    assert_eq!(rig.metric("prom_remotewrite_rescued_samples_total").await, 200);
}

/// A series with samples this many minutes ago.
fn aged(metric: &str, minutes: &[i64]) -> TimeSeries {
    let now = i64::try_from(since_epoch(Clock::default().now()).as_millis()).unwrap();
    let sample = |minutes: &i64| Sample {
        value: 1.0,
        timestamp: now - minutes * 60_000,
        start_timestamp: 0,
    };
    TimeSeries { samples: minutes.iter().map(sample).collect(), ..series(metric, &[]) }
}

#[tokio::test]
async fn samples_that_are_too_old_are_left_out_and_the_rest_is_stored() {
    let rig = Stage::with(|setup| setup.max_sample_age = Some(Duration::from_mins(20))).await;
    let rig = rig.ready().await;
    let names: Vec<String> = (0..500).map(|n| format!("metric_{n}")).collect();
    let body = encode(names.iter().enumerate().map(|(number, name)| match number {
        7 => aged(name, &[25]),
        300 => aged(name, &[40, 21, 19, 1]),
        _ => aged(name, &[2]),
    }));
    let reply = rig.post(body).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    let stored = rig.stored();
    assert_eq!((stored.len(), stored["metric_300"]), (499, 2));
    let refused = r#"prom_remotewrite_refused_samples_total{reason="too_old"}"#;
    assert_eq!(rig.metric(refused).await, 3);
    // The batch, what is new, and of what is old the newest two: the border is below them.
    assert_eq!(rig.asked(Service::Ingestion), 4);
    let old = encode(names.iter().map(|name| aged(name, &[30])));
    assert_eq!(rig.status(old).await, 400);
    assert_eq!(rig.metric(refused).await, 503);
}

#[tokio::test]
async fn while_everything_is_refused_nothing_is_given_up() {
    let mut rig = Stage::new().await.ready().await;
    assert_eq!(rig.status(few(["first"])).await, 204);
    for (refusal, requests, after) in [
        (
            r#"{"error":{"code":"InvalidRequestPath","message":"The request path is invalid"}}"#,
            3,
            "5",
        ),
        // Searched, and then left alone for some seconds; others were accepted just now.
        (r#"{"error":{"code":"Whatever","message":"no"}}"#, 3 + 1 + 1, "2"),
    ] {
        rig.azure().faults(Service::Ingestion).always(Fault::status(400).body(refusal));
        let asked = rig.asked(Service::Ingestion);
        let names: Vec<String> = (0..2000).map(|n| format!("metric_{n}_{requests}")).collect();
        let body = few(names.iter().map(String::as_str));
        for after in [after, "5", "5"] {
            let reply = rig.post(body.clone()).await;
            assert_eq!(reply.status, 503);
            assert_eq!(reply.headers["retry-after"], after);
            assert!(!reply.text().is_empty());
        }
        assert_eq!(rig.asked(Service::Ingestion) - asked, requests);
        let found = |line: &str| {
            (line.contains("level=warn") && line.contains("INGESTION_URL")).then_some(())
        };
        rig.process.line("the log names the setting", PATIENCE, found).await.unwrap();
        rig.azure().faults(Service::Ingestion).clear();
        assert_eq!(rig.status(body).await, 204);
        let stored = rig.stored();
        assert!(names.iter().all(|name| stored[name] == 1));
    }
    assert_eq!(rig.metric("prom_remotewrite_refused_samples_total").await, 0);
}

#[tokio::test]
async fn refused_metadata_is_not_searched_and_no_loss() {
    let rig = Stage::new().await.ready().await;
    let metadata = (0..500).map(|number| MetricMetadata {
        kind: 1,
        metric_family_name: format!("metric_{number}"),
        help: "What it is.".into(),
        unit: String::new(),
    });
    let raw = WriteRequest { timeseries: vec![], metadata: metadata.collect() }.encode_to_vec();
    rig.azure().faults(Service::Ingestion).push(Fault::status(400).body("no metadata"));
    let reply = rig.post(snap::raw::Encoder::new().compress_vec(&raw).unwrap()).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (400, "no metadata"));
    assert_eq!(rig.asked(Service::Ingestion), 1);
    assert_eq!(rig.metric(r#"prom_remotewrite_requests_total{upstream="400""#).await, 0);
}

#[tokio::test]
async fn a_passing_fault_in_the_middle_lets_prometheus_send_it_all_again() {
    let rig = Stage::with(|setup| setup.poison = vec!["d".into()]).await.ready().await;
    let faults = rig.azure().faults(Service::Ingestion);
    faults.push(Fault::status(400));
    faults.push(Fault::status(503).header("retry-after", "4"));
    let reply = rig.post(few(["a", "b", "c", "d"])).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.headers["retry-after"]),
        (503, &"4".parse().unwrap())
    );
    assert_eq!(rig.status(few(["a", "b", "c", "d"])).await, 400);
    assert_eq!(rig.stored().into_keys().collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_series_named_by_a_rejection_is_tried_before_it_is_dropped() {
    let rig = Stage::new().await.ready().await;
    let refusal = "series of metric 'requests' are invalid";
    rig.azure().faults(Service::Ingestion).push(Fault::status(400).body(refusal));
    let requests = |job| series("requests", &[("job", job)]);
    let body = encode([requests("a"), series("other", &[]), requests("b")]);
    assert_eq!(rig.status(body).await, 204);
    assert_eq!(rig.azure().workspace(&rig.stage.rule, |workspace| workspace.series().count()), 3);
}
