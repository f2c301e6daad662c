//! What Prometheus does in some versions only: an agent, and remote write 2.0.
//!
//! `just matrix` runs these with each version, and `cargo test` does not.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use tests::{
    azure::Service,
    kubernetes::control_plane::say_skipped,
    prometheus::{Mode, Options, Prometheus},
};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};

use super::{PATIENCE, Rig, Stage, prometheus::trouble};

const METRIC: &str = "scrapes_total";
const VERSION_2: &str = "io.prometheus.write.v2.Request";
/// For everything that is queued to be sent.
const DELIVERED_WITHIN: Duration = Duration::from_secs(120);

/// A target that counts its scrapes, so each has a number.
async fn target() -> (String, Arc<AtomicU64>) {
    let scrapes = Arc::new(AtomicU64::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let count = Arc::clone(&scrapes);
    let answer = async move || format!("{METRIC} {}\n", count.fetch_add(1, Ordering::SeqCst) + 1);
    let routes = Router::new().route("/metrics", get(answer));
    tokio::spawn(async { axum::serve(listener, routes).await });
    (address, scrapes)
}

fn options(rig: &Rig, target: String) -> Options {
    Options {
        targets: vec![("counted".into(), target)],
        remote_writes: vec![("azure".into(), rig.url("/api/v1/write"))],
        scrape_interval: Duration::from_millis(500),
        ..Options::default()
    }
}

/// The numbers of the scrapes that are stored.
fn stored(rig: &Rig) -> BTreeSet<String> {
    rig.azure().workspace(&rig.stage.rule, |workspace| {
        assert_eq!(workspace.conflicts(), 0);
        let samples = workspace.find(&[("__name__", METRIC)]).flat_map(|(_, one)| &one.samples);
        let values = samples.map(|sample| sample.value).filter(|value| value.is_finite());
        values.map(|value| value.to_string()).collect()
    })
}

/// The number of the last scrape that is stored.
fn newest(rig: &Rig) -> u64 {
    stored(rig).iter().filter_map(|number| number.parse().ok()).max().unwrap_or_default()
}

/// Through every fault; then all scrapes are there, but for one that the end broke off.
async fn nothing_is_lost(rig: &Rig, mut prometheus: Prometheus, scrapes: &AtomicU64) {
    let start = Instant::now();
    while stored(rig).len() < 4 {
        assert!(start.elapsed() < DELIVERED_WITHIN, "{}", prometheus.process().output());
        sleep(Duration::from_millis(100)).await;
    }
    let faults = rig.azure().faults(Service::Ingestion);
    for fault in trouble() {
        faults.push(fault);
    }
    while faults.waiting() > 0 {
        assert!(start.elapsed() < DELIVERED_WITHIN, "{} are left", faults.waiting());
        sleep(Duration::from_millis(100)).await;
    }
    // At its end Prometheus sends what it has read of its write-ahead log, and no more.
    let behind = || scrapes.load(Ordering::SeqCst) > newest(rig) + 4;
    while behind() {
        assert!(start.elapsed() < DELIVERED_WITHIN, "{}", prometheus.process().output());
        sleep(Duration::from_millis(100)).await;
    }
    prometheus.stop().await.unwrap();
    let (stored, scrapes) = (stored(rig), scrapes.load(Ordering::SeqCst));
    let numbers = (1..scrapes).map(|number| number.to_string());
    let missing: Vec<String> = numbers.filter(|number| !stored.contains(number)).collect();
    assert!(missing.is_empty() && scrapes > 10, "{missing:?} of {scrapes} are missing");
}

#[tokio::test]
#[ignore = "for each version of Prometheus: just matrix prometheus"]
async fn an_agent_loses_nothing() {
    let rig = Stage::new().await.ready().await;
    let (target, scrapes) = target().await;
    let options = Options { mode: Mode::Agent, ..options(&rig, target) };
    let prometheus = Prometheus::start(&options).await.unwrap();
    nothing_is_lost(&rig, prometheus, &scrapes).await;
}

#[tokio::test]
#[ignore = "for each version of Prometheus: just matrix prometheus"]
async fn with_remote_write_2_nothing_is_lost_where_it_is_accepted() {
    const TEST: &str = "with_remote_write_2_nothing_is_lost_where_it_is_accepted";
    if !Prometheus::is_since(2, 54).unwrap() {
        return say_skipped(TEST, "Prometheus has remote write 2.0 from 2.54 on");
    }
    let rig = Stage::with(|setup| setup.remote_write_2 = true).await.ready().await;
    let (target, scrapes) = target().await;
    let options = Options { message: Some(VERSION_2), ..options(&rig, target) };
    let prometheus = Prometheus::start(&options).await.unwrap();
    nothing_is_lost(&rig, prometheus, &scrapes).await;
}

#[tokio::test]
#[ignore = "for each version of Prometheus: just matrix prometheus"]
async fn where_remote_write_2_is_refused_the_sidecar_logs_what_to_set() {
    const TEST: &str = "where_remote_write_2_is_refused_the_sidecar_logs_what_to_set";
    if !Prometheus::is_since(2, 54).unwrap() {
        return say_skipped(TEST, "Prometheus has remote write 2.0 from 2.54 on");
    }
    let mut rig = Stage::new().await.ready().await;
    let (target, _scrapes) = target().await;
    let options = Options { message: Some(VERSION_2), ..options(&rig, target) };
    let _running = Prometheus::start(&options).await.unwrap();
    let advice =
        |line: &str| line.contains("set protobuf_message to prometheus.WriteRequest").then_some(());
    rig.process.line("it says what to set", PATIENCE, advice).await.unwrap();
}
