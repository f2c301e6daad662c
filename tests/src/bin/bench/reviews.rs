//! The webhook under load: reviews over kept TLS connections.

mod bare;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ::tests::{
    failure::{Context, Failure, Outcome},
    keys::secret,
    machine::{
        ports,
        process::{Process, Program, Usage},
    },
    product::{
        admission,
        webhook::{IssuedCertificate, Webhook},
    },
    scene::{self, Scene},
};
use bytes::Bytes;
use rustls::ClientConfig;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;

pub(crate) use self::bare::{Server as BareServer, serve};

use crate::{
    load::{Load, Target},
    paced,
    rounds::Effort,
    spread::Spread,
    stage::Stage,
};

/// A kind of pod, reviewed again and again.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Reviewed {
    pub(crate) pod: String,
    pub(crate) review_bytes: usize,
    pub(crate) cpu_microseconds: Spread,
    /// Beside what, and the same divided by that one's in the same round.
    pub(crate) ratio: Option<(String, Spread)>,
    /// Reviews in a second of one core's time.
    pub(crate) per_core_second: f64,
    /// In the closed loop.
    pub(crate) per_second: Spread,
    /// At half the rate that a core bears, or should bear.
    pub(crate) p50_microseconds: f64,
    pub(crate) p99_microseconds: f64,
    pub(crate) peak_memory_bytes: u64,
}

/// A server that only reads the review.
const BARE: &str = "bare server";
const NOT_OPTED_IN: &str = "not opted in";
pub(crate) const OPTED_IN: &str = "opted in";
const STARTS_WITHIN: Duration = Duration::from_secs(20);
/// Each API server keeps a few connections.
const CONNECTIONS: usize = 8;
/// The port that the sidecar of a pod gets; no one listens on it here.
pub(crate) const PORT: u16 = 18_081;
/// Reviews a second that a core should bear.
pub(crate) const WANTED_PER_CORE: f64 = 5000.0;
/// A Prometheus pod with the fields that its API server has filled in.
const USUAL_POD_BYTES: usize = 15 << 10;
/// What a pod with many containers and long lists of variables comes to.
const LARGE_POD_BYTES: usize = 300 << 10;

/// Measures all kinds of pods, each with a fresh process; the first two are compared with
/// what comes before them, round after round.
pub(crate) async fn measure(
    stage: &Stage,
    scene: &Scene,
    effort: Effort,
) -> Outcome<Vec<Reviewed>> {
    let opted_in = || Scene::pod(&scene.identity, PORT);
    let usual = enlarged(scene::prometheus_pod()?, USUAL_POD_BYTES)?;
    let mut runners = vec![
        Runner::new(BARE, Server::bare().await?, &usual).await?,
        Runner::new(NOT_OPTED_IN, Server::webhook(stage, scene).await?, &usual).await?,
    ];
    for (name, bytes) in [(OPTED_IN, USUAL_POD_BYTES), ("opted in, 300 KiB", LARGE_POD_BYTES)] {
        let pod = enlarged(opted_in()?, bytes)?;
        runners.push(Runner::new(name, Server::webhook(stage, scene).await?, &pod).await?);
    }
    let time = Duration::from_secs_f64(effort.round_seconds);
    for runner in &mut runners {
        runner.load.run(time / 2).await?;
    }
    for _ in 0..effort.rounds {
        for runner in &mut runners {
            runner.round(time).await?;
        }
    }
    let mut all = Vec::new();
    let mut before: Option<(&'static str, Vec<f64>)> = None;
    for runner in runners {
        let beside = before.replace((runner.name, runner.cpu.clone()));
        let beside = beside.filter(|_| [NOT_OPTED_IN, OPTED_IN].contains(&runner.name));
        all.push(runner.figures(beside, effort).await?);
    }
    Ok(all)
}

/// What answers reviews.
enum Server {
    Webhook(Box<Webhook>),
    Bare { process: Process, port: u16, certificate: IssuedCertificate },
}

impl Server {
    async fn webhook(stage: &Stage, scene: &Scene) -> Outcome<Self> {
        Ok(Self::Webhook(Box::new(start(stage, scene).await?)))
    }

    async fn bare() -> Outcome<Self> {
        let certificate = IssuedCertificate::in_process("localhost")?;
        let port = ports::free()?;
        let this = std::env::current_exe().context("find this program")?;
        let [chain, key] = certificate.pair().map(|file| file.display().to_string());
        let mut process = Program::new("the bare server", this)
            .args(["bare-webhook", "--port", &port.to_string()])
            .args(["--certificate", &chain, "--key", &key])
            .start()?;
        let listening =
            async |_: &Process| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok();
        process.until("it listened", STARTS_WITHIN, listening).await?;
        Ok(Self::Bare { process, port, certificate })
    }

    fn target(&self, pod: &Value) -> Outcome<Target> {
        match self {
            Self::Webhook(webhook) => target(webhook, pod),
            Self::Bare { port, certificate, .. } => target_at(*port, certificate, pod),
        }
    }

    fn usage(&mut self) -> Outcome<Usage> {
        match self {
            Self::Webhook(webhook) => webhook.process().group_usage(),
            Self::Bare { process, .. } => process.group_usage(),
        }
    }

    async fn stop(self) -> Outcome<()> {
        match self {
            Self::Webhook(mut webhook) => webhook.stop().await,
            Self::Bare { mut process, .. } => process.stop(STARTS_WITHIN).await.map(|_| ()),
        }
    }
}

/// A server under load.
struct Runner {
    name: &'static str,
    server: Server,
    target: Target,
    load: Load,
    /// CPU microseconds for a review, by round.
    cpu: Vec<f64>,
    per_second: Vec<f64>,
}

impl Runner {
    async fn new(name: &'static str, server: Server, pod: &Value) -> Outcome<Self> {
        let target = server.target(pod)?;
        let load = Load::new(target.clone(), CONNECTIONS).await?;
        Ok(Self { name, server, target, load, cpu: Vec::new(), per_second: Vec::new() })
    }

    async fn round(&mut self, time: Duration) -> Outcome<()> {
        let before = self.server.usage()?.cpu;
        let tally = self.load.run(time).await?;
        let used = self.server.usage()?.cpu.saturating_sub(before);
        if tally.failed + tally.shed > 0 {
            return Err(Failure::new(format!("{}: reviews were refused", self.name)));
        }
        let done = f64::from(u32::try_from(tally.latencies.count()).unwrap_or(u32::MAX));
        self.cpu.push(used.as_secs_f64() * 1e6 / done);
        self.per_second.push(done / tally.took.as_secs_f64());
        Ok(())
    }

    async fn figures(
        mut self,
        beside: Option<(&'static str, Vec<f64>)>,
        effort: Effort,
    ) -> Outcome<Reviewed> {
        drop(self.load);
        let ratio = beside.and_then(|(other, cpu)| {
            let pairs = self.cpu.iter().zip(cpu).map(|(own, other)| own / other);
            Some((other.to_owned(), Spread::of(pairs)?))
        });
        let cpu = Spread::of(self.cpu).context("measure at least one round")?;
        let per_core_second = 1e6 / cpu.median;
        let [p50, p99] = at_half_rate(&self.target, per_core_second, effort)?;
        let peak_memory_bytes = self.server.usage()?.peak_memory;
        self.server.stop().await?;
        Ok(Reviewed {
            pod: self.name.to_owned(),
            review_bytes: self.target.request.len(),
            cpu_microseconds: cpu,
            ratio,
            per_core_second,
            per_second: Spread::of(self.per_second).unwrap_or_default(),
            p50_microseconds: p50,
            p99_microseconds: p99,
            peak_memory_bytes,
        })
    }
}

/// Median and 99th percentile, microseconds, each the middle one of all rounds: a moment in
/// which the machine is busy elsewhere spoils one.
fn at_half_rate(target: &Target, per_core: f64, effort: Effort) -> Outcome<[f64; 2]> {
    let connections = u32::try_from(CONNECTIONS).unwrap_or(1);
    let per_second = per_core.min(WANTED_PER_CORE) / 2.0;
    let time = Duration::from_secs_f64(effort.round_seconds);
    let mut rounds = Vec::new();
    for _ in 0..effort.rounds {
        let latencies = paced::run(target, connections, per_second, time)?;
        rounds.push(latencies.per_mille([500, 990]).map(|time| time.as_secs_f64() * 1e6));
    }
    let middle = |index: usize| {
        let all = rounds.iter().filter_map(|round| round.get(index).copied());
        Spread::of(all).map_or(f64::NAN, |spread| spread.median)
    };
    Ok([middle(0), middle(1)])
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
    target_at(webhook.port(), webhook.certificate(), pod)
}

fn target_at(port: u16, certificate: &IssuedCertificate, pod: &Value) -> Outcome<Target> {
    let review = admission::review(&secret::uuid(), pod).to_string();
    let head = format!(
        "POST /mutate?timeout=5s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kube-apiserver-admission\r\nContent-Length: {}\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n",
        review.len()
    );
    let tls =
        ClientConfig::builder().with_root_certificates(certificate.roots()?).with_no_client_auth();
    Ok(Target {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
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
