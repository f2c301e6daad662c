//! The end: nothing that is in progress is cut, and anyone who still writes is served.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::{
    azure::{Fault, Service},
    client::Client,
};
use tokio::time::sleep;

use super::{HEADERS, PATIENCE, Rig, Stage, batch};

/// Sends the signal and waits until it was noticed.
async fn terminate(rig: &mut Rig) {
    rig.process.signal(Signal::TERM).unwrap();
    let noticed = |line: &str| line.contains("waiting for clients to disconnect").then_some(());
    rig.process.line("the signal is noticed", PATIENCE, noticed).await.unwrap();
}

#[tokio::test]
async fn it_goes_on_serving_while_prometheus_flushes() {
    let mut rig = Stage::new().await.ready().await;
    assert_eq!(rig.status(batch(["up"])).await, 204);
    rig.azure().faults(Service::Ingestion).push(Fault::delay(Duration::from_millis(800)));
    let (status, ()) = tokio::join!(rig.status(batch(["in_flight"])), async {
        sleep(Duration::from_millis(200)).await;
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
async fn a_sender_with_a_connection_for_each_write_is_served_until_it_stops() {
    let mut rig = Stage::new().await.ready().await;
    let url = rig.url("/api/v1/write");
    let headers = [&HEADERS[..], &[("connection", "close")]].concat();
    let write = async || {
        let reply = Client::plain().post(&url, &headers, batch(["up"])).await;
        reply.map(|reply| reply.status.as_u16())
    };
    assert_eq!(write().await.unwrap(), 204);
    let scraper = rig.client.clone();
    // The last write is some time ago: nothing is open when the signal comes.
    sleep(Duration::from_secs(1)).await;
    rig.process.signal(Signal::TERM).unwrap();
    for pause in [500, 2000, 4000] {
        sleep(Duration::from_millis(pause)).await;
        assert_eq!(write().await.unwrap(), 204, "it still writes");
        assert!(scraper.get(&rig.url("/metrics")).await.is_ok());
    }
    assert_eq!(rig.stored()["up"], 4);
    let begun = Instant::now();
    assert!(rig.process.wait(PATIENCE).await.unwrap().success());
    let took = begun.elapsed();
    assert!((Duration::from_secs(8)..Duration::from_secs(16)).contains(&took), "{took:?}");
    assert!(write().await.is_err(), "it has stopped");
}

#[tokio::test]
async fn a_native_sidecar_stops_once_no_writer_is_connected() {
    let mut stage = Stage::new().await;
    stage.set("NATIVE_SIDECAR", "true");
    let mut rig = stage.ready().await;
    assert_eq!(rig.status(batch(["up"])).await, 204);
    terminate(&mut rig).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(rig.status(batch(["late"])).await, 204, "a writer is still connected");
    // Of another client, and open until the end.
    let scraper = Client::plain();
    assert!(scraper.get(&rig.url("/metrics")).await.is_ok());
    rig.client = Client::plain();
    let begun = Instant::now();
    assert!(rig.process.wait(PATIENCE).await.unwrap().success());
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
    terminate(&mut rig).await;
    let begun = Instant::now();
    rig.process.signal(Signal::TERM).unwrap();
    assert!(rig.process.wait(PATIENCE).await.unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}
