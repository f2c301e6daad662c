//! A real Prometheus with its own batches, while a metric is refused, while
//! everything is refused, and while requests fail at random.

use std::{collections::BTreeMap, time::Duration};

use tests::{
    azure::{Fault, Moment, Service},
    machine::clock::{Clock, since_epoch},
    prometheus::{Options, Prometheus},
};
use tokio::time::{Instant, sleep};

use super::{Rig, Stage, few};

/// Prometheus exposes these itself.
const REFUSED: [&str; 2] = ["go_threads", "prometheus_build_info"];
/// For everything that is queued to be sent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every kind of trouble that passes, several times and in changing order.
pub(super) fn trouble() -> Vec<Fault> {
    let kinds = [
        Fault::status(503),
        Fault::status(429).header("retry-after", "1"),
        Fault::status(403),
        Fault::drop(Moment::MidBody),
        Fault::status(406),
        Fault::drop(Moment::BeforeBody),
        Fault::delay(Duration::from_millis(300)),
        Fault::status(500),
        Fault::drop(Moment::AfterBody),
        Fault::status(400).body("a passing refusal of a whole batch"),
        Fault::delay(Duration::ZERO),
    ];
    (0..4 * kinds.len()).map(|number| kinds[number * 7 % kinds.len()].clone()).collect()
}

async fn failed(prometheus: &Prometheus) -> f64 {
    let failed = prometheus.values("prometheus_remote_storage_samples_failed_total").await.unwrap();
    failed.iter().map(|point| point.value).sum()
}

#[tokio::test]
async fn prometheus_loses_what_is_refused_and_nothing_else() {
    let refused = REFUSED.map(str::to_owned).to_vec();
    let rig = Stage::with(|setup| setup.poison = refused).await.ready().await;
    let options = Options {
        remote_writes: vec![("azure".into(), rig.url("/api/v1/write"))],
        scrape_interval: Duration::from_millis(500),
        ..Options::default()
    };
    let mut prometheus = Prometheus::start(&options).await.unwrap();
    let begun = Instant::now();
    while failed(&prometheus).await == 0.0 {
        assert!(begun.elapsed() < PATIENCE, "nothing was refused");
        sleep(Duration::from_millis(200)).await;
    }
    let faults = rig.azure().faults(Service::Ingestion);
    faults.always(Fault::status(400).body("the rule has no such stream"));
    sleep(Duration::from_secs(3)).await;
    faults.clear();
    // Another sender is accepted: else a search would begin within a minute.
    assert_eq!(rig.status(few(["another"])).await, 204);
    for fault in trouble() {
        faults.push(fault);
    }
    let begun = Instant::now();
    while faults.waiting() > 0 {
        assert!(begun.elapsed() < PATIENCE, "{} are left", faults.waiting());
        sleep(Duration::from_millis(100)).await;
    }
    while lag(&rig) > Duration::from_secs(3) {
        assert!(begun.elapsed() < 2 * PATIENCE, "{:?} behind", lag(&rig));
        sleep(Duration::from_millis(100)).await;
    }
    let held = prometheus.range("{__name__=~\".+\"}[5m]", None).await.unwrap();
    // Prometheus sends what it has queued when it stops, and not what is in its WAL only.
    let up = held.iter().find(|range| range.labels["__name__"] == "up").unwrap();
    let (last, _) = up.samples.last().unwrap();
    while newest(&rig) < Some(*last) {
        assert!(begun.elapsed() < 2 * PATIENCE, "{:?} behind", lag(&rig));
        sleep(Duration::from_millis(100)).await;
    }
    let failed = failed(&prometheus).await;
    prometheus.stop().await.unwrap();
    let refused = rig.metric("prom_remotewrite_refused_samples_total").await;
    let refused = f64::from(u32::try_from(refused).unwrap());
    assert!(failed > 0.0, "{refused} were refused");
    // Before 2.54 Prometheus counts all samples of a batch, also those that were stored.
    if Prometheus::is_since(2, 54).unwrap() {
        assert!(failed <= refused, "{failed} failed, {refused} were refused");
    }
    compare(&rig, &held);
}

/// When the newest sample was taken that is stored, in milliseconds since 1970.
fn newest(rig: &Rig) -> Option<i64> {
    rig.azure().workspace(&rig.stage.rule, |workspace| {
        let scraped = workspace.find(&[("__name__", "up")]);
        scraped.filter_map(|(_, series)| Some(series.newest()?.timestamp)).max()
    })
}

/// How long ago that was.
fn lag(rig: &Rig) -> Duration {
    let newest = newest(rig).and_then(|at| u64::try_from(at).ok()).unwrap_or_default();
    since_epoch(Clock::default().now()).saturating_sub(Duration::from_millis(newest))
}

/// All that Prometheus holds was stored, but for what is refused.
fn compare(rig: &Rig, held: &[tests::prometheus::Range]) {
    let mut missing = BTreeMap::new();
    rig.azure().workspace(&rig.stage.rule, |workspace| {
        for range in held {
            let name = range.labels["__name__"].as_str();
            let mut labels = range.labels.clone();
            labels.insert("cluster".into(), "test".into());
            let stored = workspace.series().find(|(stored, _)| **stored == labels);
            let times = range.samples.iter().map(|(time, _)| *time);
            let lacks = times.filter(|time| {
                let has = |one: &tests::azure::wire::Sample| one.timestamp == *time;
                !stored.is_some_and(|(_, series)| series.samples.iter().any(has))
            });
            let lacks = lacks.count();
            if REFUSED.contains(&name) {
                assert!(stored.is_none(), "{name} is refused");
            } else if lacks > 0 {
                missing.insert(name, lacks);
            }
        }
        assert!(missing.is_empty(), "missing: {missing:?}");
        assert_eq!(workspace.conflicts(), 0);
        // Each attempt of a search may send one stored sample once more, to see whether
        // anything is accepted; slow machines, and emulated ones, need more attempts.
        assert!(workspace.duplicates() < 20, "{}", workspace.duplicates());
    });
}
