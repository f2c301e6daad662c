//! Eight destinations need no more memory than one.

use std::time::Duration;

use tests::azure::Fault;
use tokio::task::JoinSet;

use super::{
    super::{encode, few, is_emulated, noise, series},
    *,
};

const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

#[tokio::test]
async fn refused_batches_at_eight_destinations_stay_within_the_containers_memory() {
    if is_emulated("refused_batches_at_eight_destinations_stay_within_the_containers_memory") {
        return;
    }
    let mut stage = Stage::new().await;
    let mut others = Vec::new();
    for name in NAMES {
        others.push(Other::beside(&mut stage, name).await);
    }
    let rig = stage.ready().await;
    let refusal = Fault::status(400).body("no").after(Duration::from_millis(200));
    rig.azure().faults(Service::Ingestion).always(refusal.clone());
    for other in &others {
        other.azure.faults(Service::Ingestion).always(refusal.clone());
    }
    let compressed = |raw: &[u8]| snap::raw::Encoder::new().compress_vec(raw).unwrap();
    let empty = compressed(&[10, 0].repeat(1 << 14));
    let text = "lorem ipsum ".repeat(80);
    let dense = encode((0..16_000).map(|number| series(&format!("m_{number}"), &[("a", &text)])));
    let noisy = encode((0..2000).map(|seed| series("n", &[("a", &noise(seed, 1000))])));
    let usual = batch(["up"]);
    let paths = others.iter().map(Other::path).chain(["/api/v1/write".to_owned()]);
    let urls: Vec<String> = paths.map(|path| rig.url(&path)).collect();
    for body in [&empty, &dense, &noisy, &usual] {
        let mut posts = JoinSet::new();
        for url in urls.iter().cycle().take(160) {
            let (client, url, body) = (rig.client.clone(), url.clone(), body.clone());
            posts.spawn(async move { client.post(&url, &HEADERS, body).await.unwrap() });
        }
        for reply in posts.join_all().await {
            assert!(matches!(reply.status.as_u16(), 400 | 503 | 504), "{}", reply.text());
        }
        let peak = rig.process.usage().unwrap().peak_memory;
        assert!(peak < 100 << 20, "{} MiB after bodies of {} bytes", peak >> 20, body.len());
    }
}

/// What one destination remembers and holds is enough for what Prometheus sends at
/// once, five times over.
#[tokio::test]
async fn each_of_eight_destinations_searches_a_batch_of_usual_size() {
    let mut stage = Stage::new().await;
    let poison = |setup: &mut Setup| setup.poison = vec!["metric_77".into()];
    let mut others = Vec::new();
    for name in NAMES {
        others.push(Other::with(&mut stage, name, poison).await);
    }
    let rig = stage.ready().await;
    let label = noise(1, 400);
    let names: Vec<String> = (0..5000).map(|number| format!("metric_{number}")).collect();
    let body = encode(names.iter().map(|name| series(name, &[("label", &label)])));
    for other in &others {
        assert_eq!(other.status(&rig, few(["first"])).await, 204);
        let mut tries = 0;
        loop {
            match other.status(&rig, body.clone()).await {
                400 => break,
                503 if tries < 30 => tries += 1,
                status => panic!("{status} after {tries}"),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let mut stored = other.stored();
        assert_eq!(stored.remove("first"), Some(1));
        assert_eq!(stored.len(), 4999, "{}", other.name);
        assert!(stored.values().all(|times| *times == 1), "none twice");
    }
}
