//! Sidecars that start at once, and one identity service.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use futures_util::future::try_join_all;
use rustix::process::Signal;
use serde_json::Value;
use tests::{
    azure::{Azure, Fault, Service},
    machine::ports,
    product::{
        binaries,
        sidecar::Sidecar,
        webhook::{IssuedCertificate, Webhook},
    },
    scene::Scene,
};
use tokio::time::{interval, sleep};

use super::table::Table;

/// What IMDS grants a second; Entra's limits are not documented.
/// <https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service#rate-limiting>
const PER_SECOND: usize = 5;
const PATIENCE: Duration = Duration::from_mins(3);
/// Refreshed after 24 s to 36 s.
const LIFETIME: Duration = Duration::from_mins(1);

/// Starts so many sidecars at once: against an IMDS that grants five tokens a second, again
/// against one that also names a pause, and against one that grants all.
pub(super) async fn measure(count: usize, table: &mut Table) {
    let scene = Scene::new().await.unwrap();
    scene.azure.change(|setup| setup.metadata_cache = false);
    let pods = pods(&scene, count).await;
    let without = [
        "sidecars started at once, IMDS issues 5 tokens a second: requests for tokens",
        "…retries in the busiest second",
        "…seconds until all have a token",
    ];
    let with = [
        "sidecars restarted at once, IMDS also asks for a pause of 5 s: requests for tokens",
        "…retries in the busiest second",
        "…seconds until all have a token",
    ];
    for (names, pause) in [(without, None), (with, Some("5"))] {
        let seen = tokio::select! {
            () = throttle(&scene.azure, pause) => return,
            seen = start(&scene, &pods) => seen,
        };
        let last = seen.iter().filter(|(_, granted)| *granted).map(|(at, _)| *at);
        let [requests, retries, seconds] = names;
        table.note(
            count,
            [
                (requests, number(seen.len())),
                (retries, peak(&seen[count..])),
                (seconds, last.fold(0.0, f64::max)),
            ],
        );
    }
    refresh(&scene, &pods, count, table).await;
}

async fn pods(scene: &Scene, count: usize) -> Vec<Value> {
    let certificate = IssuedCertificate::in_process("localhost").unwrap();
    let webhook = Webhook::start(certificate, &scene.configuration()).await.unwrap();
    let mut pods = Vec::new();
    for _ in 0..count {
        let pod = Scene::pod(&scene.identity, ports::free().unwrap()).unwrap();
        let admitted = webhook.create(&pod).await.unwrap();
        assert!(admitted.allowed, "{}", admitted.message);
        pods.push(admitted.pod);
    }
    pods
}

/// Grants so many tokens a second, and answers 429 else.
async fn throttle(azure: &Azure, pause: Option<&str>) {
    let faults = azure.faults(Service::Imds);
    let refused = Fault::status(429);
    faults.always(pause.iter().fold(refused, |fault, pause| fault.header("retry-after", pause)));
    let mut seconds = interval(Duration::from_secs(1));
    loop {
        seconds.tick().await;
        // Without a delay this is the ordinary work.
        let granted = PER_SECOND.saturating_sub(faults.waiting());
        faults.push_times(granted, &Fault::delay(Duration::ZERO));
    }
}

/// Seconds since the first request, and whether a token was granted; in this order.
type Seen = Vec<(f64, bool)>;

/// All but the `skipped` first requests.
fn seen(azure: &Azure, skipped: usize) -> Seen {
    let all = azure.requests(Service::Imds).split_off(skipped);
    let first = all.iter().map(|one| one.at).min().unwrap();
    let since = |at: SystemTime| at.duration_since(first).unwrap().as_secs_f64();
    let mut seen: Seen = all.iter().map(|one| (since(one.at), one.status == Some(200))).collect();
    seen.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    seen
}

async fn started(scene: &Scene, pods: &[Value]) -> Vec<Sidecar> {
    let program = binaries::find(binaries::SIDECAR).unwrap();
    try_join_all(pods.iter().map(|pod| Sidecar::start(&scene.kubelet, pod, &program)))
        .await
        .unwrap()
}

/// Starts all, waits until each has a token, and kills them.
async fn start(scene: &Scene, pods: &[Value]) -> Seen {
    let before = scene.azure.requests(Service::Imds).len();
    let sidecars = ready(started(scene, pods).await).await;
    let seen = seen(&scene.azure, before);
    kill(sidecars);
    seen
}

async fn ready(mut sidecars: Vec<Sidecar>) -> Vec<Sidecar> {
    try_join_all(sidecars.iter_mut().map(|one| one.ready(PATIENCE))).await.unwrap();
    sidecars
}

fn kill(sidecars: Vec<Sidecar>) {
    for mut sidecar in sidecars {
        sidecar.process().signal(Signal::KILL).unwrap();
    }
}

/// The most in a second.
fn peak(seen: &[(f64, bool)]) -> f64 {
    let mut seconds = BTreeMap::<u64, usize>::new();
    for (at, _) in seen {
        *seconds.entry(Duration::from_secs_f64(*at).as_secs()).or_default() += 1;
    }
    number(seconds.into_values().max().unwrap_or_default())
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

async fn refresh(scene: &Scene, pods: &[Value], count: usize, table: &mut Table) {
    scene.azure.faults(Service::Imds).clear();
    scene.azure.issue_tokens_for(LIFETIME);
    let before = scene.azure.requests(Service::Imds).len();
    let sidecars = ready(started(scene, pods).await).await;
    sleep(LIFETIME.mul_f64(0.8)).await;
    let seen = seen(&scene.azure, before);
    kill(sidecars);
    let (first, refreshed) = seen.split_at(count);
    assert!(refreshed.len() >= count, "{} of {count} were refreshed", refreshed.len());
    table.note(
        count,
        [
            (
                "sidecars started at once, IMDS issues all tokens: requests in the busiest second",
                peak(first),
            ),
            (
                "…requests in the busiest second of their refresh, with tokens that are valid for a minute",
                peak(refreshed),
            ),
        ],
    );
}
