//! The end: nothing that is under way is cut.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::{
    azure::{Fault, Service},
    client::Client,
};

use super::{PATIENCE, Stage, batch};

#[tokio::test]
async fn it_goes_on_serving_while_prometheus_flushes() {
    let mut rig = Stage::new().await.ready().await;
    assert_eq!(rig.status(batch(["up"])).await, 204);
    rig.azure().faults(Service::Ingestion).push(Fault::delay(Duration::from_millis(800)));
    let (status, ()) = tokio::join!(rig.status(batch(["in_flight"])), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        rig.process.signal(Signal::TERM).unwrap();
    });
    assert_eq!(status, 204);
    assert_eq!(rig.status(batch(["flushed"])).await, 204, "still serving");
    assert_eq!(rig.stored().len(), 3);
    // Prometheus has gone: ten seconds later it ends.
    rig.client = Client::plain();
    let begun = Instant::now();
    let status = rig.process.wait(PATIENCE).await.unwrap();
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() > Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn beside_a_native_sidecar_prometheus_has_gone_already() {
    let mut rig = Stage::new().await.ready().await;
    assert_eq!(rig.status(batch(["up"])).await, 204);
    rig.client = Client::plain();
    let connections = rig.metric("prom_remotewrite_connections ").await;
    assert!(connections >= 1, "the scrape's own");
    rig.client = Client::plain();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    assert!(rig.process.stop(PATIENCE).await.unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_time_is_bounded() {
    let mut stage = Stage::new().await;
    stage.set("SHUTDOWN_TIMEOUT", "1s");
    let mut rig = stage.ready().await;
    assert_eq!(rig.status(batch(["up"])).await, 204);
    let begun = Instant::now();
    assert!(rig.process.stop(PATIENCE).await.unwrap().success());
    let took = begun.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(6)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut rig = Stage::new().await.ready().await;
    assert_eq!(rig.status(batch(["up"])).await, 204);
    rig.process.signal(Signal::TERM).unwrap();
    let ending = |line: &str| line.contains("ending once nobody writes").then_some(());
    rig.process.line("the first signal is heard", PATIENCE, ending).await.unwrap();
    let begun = Instant::now();
    rig.process.signal(Signal::TERM).unwrap();
    assert!(rig.process.wait(PATIENCE).await.unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}
