//! The webhook under load: reviews over kept TLS connections.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ::tests::{
    admission,
    failure::{Context, Failure, Outcome},
    process::Program,
    scene::{self, Scene},
    secret,
    webhook::{IssuedCertificate, Webhook},
};
use bytes::Bytes;
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    latency::Latencies,
    load::{Load, Target},
    paced,
    rounds::Effort,
    spread::Spread,
    stage::Stage,
};

/// A kind of pod, reviewed again and again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reviewed {
    pub(crate) pod: String,
    pub(crate) review_bytes: usize,
    pub(crate) cpu_microseconds: Spread,
    /// Reviews in a second of one core's time.
    pub(crate) per_core_second: f64,
    /// In the closed loop.
    pub(crate) per_second: Spread,
    /// At half the rate that a core bears, or shall bear.
    pub(crate) p50_microseconds: f64,
    pub(crate) p99_microseconds: f64,
    pub(crate) peak_memory_bytes: u64,
}

/// Each API server keeps a few connections.
const CONNECTIONS: usize = 8;
/// The port that the sidecar of a pod gets; nobody listens on it here.
pub(crate) const PORT: u16 = 18_081;
/// Reviews a second that a core shall bear.
pub(crate) const WANTED_PER_CORE: f64 = 5000.0;
/// A Prometheus pod with the fields that its API server has filled in.
const USUAL_POD_BYTES: usize = 15 << 10;
/// What a pod with many containers and long lists of variables comes to.
const LARGE_POD_BYTES: usize = 300 << 10;

/// Measures all kinds of pods, each with a fresh webhook.
pub(crate) async fn measure(
    stage: &Stage,
    scene: &Scene,
    effort: Effort,
) -> Outcome<Vec<Reviewed>> {
    let opted_in = || Scene::pod(&scene.identity, PORT);
    let kinds = [
        ("opted in", enlarged(opted_in()?, USUAL_POD_BYTES)?),
        ("not opted in", enlarged(scene::prometheus_pod()?, USUAL_POD_BYTES)?),
        ("opted in, 300 KiB", enlarged(opted_in()?, LARGE_POD_BYTES)?),
    ];
    let mut all = Vec::new();
    for (name, pod) in kinds {
        all.push(measure_one(stage, scene, name, &pod, effort).await?);
    }
    Ok(all)
}

async fn measure_one(
    stage: &Stage,
    scene: &Scene,
    name: &str,
    pod: &Value,
    effort: Effort,
) -> Outcome<Reviewed> {
    let mut webhook = start(stage, scene).await?;
    let target = target(&webhook, pod)?;
    let time = Duration::from_secs_f64(effort.round_seconds);
    let mut load = Load::new(target.clone(), CONNECTIONS).await?;
    load.run(time / 2).await?;
    let (mut cpu, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let before = webhook.process().group_usage()?.cpu;
        let tally = load.run(time).await?;
        let used = webhook.process().group_usage()?.cpu.saturating_sub(before);
        if tally.failed + tally.shed > 0 {
            return Err(Failure::new("the webhook refused reviews"));
        }
        let done = f64::from(u32::try_from(tally.latencies.count()).unwrap_or(u32::MAX));
        cpu.push(used.as_secs_f64() * 1e6 / done);
        rates.push(done / tally.took.as_secs_f64());
    }
    drop(load);
    let cpu = Spread::of(cpu).context("measure at least one round")?;
    let per_core_second = 1e6 / cpu.median;
    let latencies = at_half_rate(&target, per_core_second, effort)?;
    let [p50, p99] = latencies.per_mille([500, 990]).map(|time| time.as_secs_f64() * 1e6);
    let peak_memory_bytes = webhook.process().group_usage()?.peak_memory;
    webhook.stop().await?;
    Ok(Reviewed {
        pod: name.to_owned(),
        review_bytes: target.request.len(),
        cpu_microseconds: cpu,
        per_core_second,
        per_second: Spread::of(rates).unwrap_or_default(),
        p50_microseconds: p50,
        p99_microseconds: p99,
        peak_memory_bytes,
    })
}

fn at_half_rate(target: &Target, per_core: f64, effort: Effort) -> Outcome<Latencies> {
    let connections = u32::try_from(CONNECTIONS).unwrap_or(1);
    let rounds = u32::try_from(effort.rounds).unwrap_or(1);
    let time = Duration::from_secs_f64(effort.round_seconds) * rounds;
    paced::run(target, connections, per_core.min(WANTED_PER_CORE) / 2.0, time)
}

/// The webhook as it is shipped, with the chart's log level.
pub(crate) async fn start(stage: &Stage, scene: &Scene) -> Outcome<Webhook> {
    let certificate = IssuedCertificate::in_process("localhost")?;
    let program = Program::new("the webhook", &stage.webhook);
    Webhook::start_as(program, certificate, &scene.configuration()).await
}

/// A review of this pod, as the API server posts it: over HTTP/1.1, which it
/// prefers so that its requests reach all replicas.
pub(crate) fn target(webhook: &Webhook, pod: &Value) -> Outcome<Target> {
    let review = admission::review(&secret::uuid(), pod).to_string();
    let head = format!(
        "POST /mutate?timeout=5s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kube-apiserver-admission\r\nContent-Length: {}\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n",
        review.len()
    );
    let tls = ClientConfig::builder()
        .with_root_certificates(webhook.certificate().roots()?)
        .with_no_client_auth();
    Ok(Target {
        address: SocketAddr::from(([127, 0, 0, 1], webhook.port())),
        tls: Some(Arc::new(tls)),
        request: Bytes::from(head + &review),
    })
}

/// The pod with variables until it is so large.
fn enlarged(mut pod: Value, bytes: usize) -> Outcome<Value> {
    let mut size = pod.to_string().len();
    let container = pod.pointer_mut("/spec/containers/0").context("find a container")?;
    let container = container.as_object_mut().context("find a container")?;
    let list = container.entry("env").or_insert_with(|| json!([]));
    let list = list.as_array_mut().context("find its variables")?;
    while size < bytes {
        let number = list.len();
        let one = json!({"name": format!("FEATURE_{number}_URL"), "value": format!("http://service-{number}.namespace.svc.cluster.local:8080/path")});
        size += one.to_string().len() + 1;
        list.push(one);
    }
    Ok(pod)
}
