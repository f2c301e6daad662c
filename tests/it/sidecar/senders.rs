//! Senders that are not Prometheus, through every fault that passes: nothing is lost that
//! they keep by their own rules.
//!
//! They take minutes to build, so `just matrix` runs these, and `cargo test` does not.

use std::{collections::BTreeSet, path::Path, time::Duration};

use rustix::process::Signal;
use serde_json::{Value, json};
use tests::{
    azure::{Fault, Moment, Service},
    client::Client,
    machine::{
        clock::{Clock, since_epoch},
        ports,
        process::{Process, Program},
    },
    tools::{self, COLLECTOR, TELEGRAF, VMAGENT},
};
use tokio::time::{Instant, sleep};

use super::{PATIENCE, Rig, Stage};

/// For what waits longer after every failure, by itself.
const DELIVERED_WITHIN: Duration = Duration::from_secs(120);
/// A sample every so often, until everything has gone wrong.
const PAUSE: Duration = Duration::from_millis(100);
const METRIC: &str = "sent";

/// What passes by itself. The sidecar gives up waiting for Azure after three seconds here.
fn trouble() -> Vec<Fault> {
    let kinds = [
        Fault::status(503),
        Fault::status(429).header("retry-after", "1"),
        Fault::hang(),
        Fault::drop(Moment::MidBody),
        Fault::status(403),
        Fault::status(500),
    ];
    (0..2 * kinds.len()).map(|number| kinds[number * 5 % kinds.len()].clone()).collect()
}

/// A sender, and how it is given a sample of [`METRIC`] with this label `n`.
struct Sender {
    process: Process,
    client: Client,
    url: String,
    body: fn(&str, u64) -> String,
    sent: BTreeSet<String>,
}

impl Sender {
    /// Starts it and waits until it takes a sample.
    async fn start(program: Program, url: String, body: fn(&str, u64) -> String) -> Self {
        let process = program.start().unwrap();
        let mut sender =
            Self { process, client: Client::plain(), url, body, sent: BTreeSet::new() };
        let start = Instant::now();
        while !sender.send().await {
            let ended = sender.process.status().unwrap();
            assert!(ended.is_none() && start.elapsed() < PATIENCE, "{}", sender.process.output());
            sleep(PAUSE).await;
        }
        sender
    }

    /// Whether it took one more sample.
    async fn send(&mut self) -> bool {
        let name = format!("{:05}", self.sent.len());
        let now = since_epoch(Clock::default().now()).as_millis();
        let body = (self.body)(&name, u64::try_from(now).unwrap());
        let headers = [("content-type", "application/json")];
        let taken = self.client.post(&self.url, &headers, body).await;
        let taken = taken.is_ok_and(|reply| reply.status.is_success());
        if taken {
            self.sent.insert(name);
        }
        taken
    }

    async fn send_for(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            assert!(self.send().await, "{}", self.process.output());
            sleep(PAUSE).await;
        }
    }
}

/// The samples that are stored, by their label `n`.
fn stored(rig: &Rig) -> BTreeSet<String> {
    rig.azure().workspace(&rig.stage.rule, |workspace| {
        let found = workspace.find(&[("__name__", METRIC)]);
        found.filter_map(|(labels, _)| labels.get("n").cloned()).collect()
    })
}

async fn until_all_is_stored(rig: &Rig, sender: &Sender) {
    let start = Instant::now();
    while !stored(rig).is_superset(&sender.sent) {
        let stored = stored(rig);
        let missing: Vec<_> = sender.sent.difference(&stored).collect();
        assert!(
            start.elapsed() < DELIVERED_WITHIN,
            "{missing:?} of {} are missing; it said:\n{}\nand the sidecar:\n{}",
            sender.sent.len(),
            sender.process.output(),
            rig.process.output()
        );
        sleep(PAUSE).await;
    }
}

async fn stage() -> Rig {
    let mut stage = Stage::new().await;
    stage.set("UPSTREAM_TIMEOUT", "3s");
    stage.set("LOG_LEVEL", "info");
    stage.ready().await
}

/// Every fault, then a sidecar that is killed, then one that is stopped in order.
async fn nothing_is_lost(mut rig: Rig, mut sender: Sender) {
    sender.send_for(Duration::from_secs(2)).await;
    until_all_is_stored(&rig, &sender).await;
    for fault in trouble() {
        rig.azure().faults(Service::Ingestion).push(fault);
    }
    let start = Instant::now();
    while rig.azure().faults(Service::Ingestion).waiting() > 0 {
        assert!(start.elapsed() < DELIVERED_WITHIN, "{}", sender.process.output());
        sender.send_for(PAUSE).await;
    }
    for signal in [Signal::KILL, Signal::TERM] {
        rig.process.signal(signal).unwrap();
        sender.send_for(Duration::from_secs(2)).await;
        rig.process.stop(PATIENCE).await.unwrap();
        sender.send_for(Duration::from_secs(2)).await;
        rig = rig.stage.start_on(rig.port).await;
        sender.send_for(Duration::from_secs(1)).await;
    }
    until_all_is_stored(&rig, &sender).await;
    assert!(sender.sent.len() > 50, "{}", sender.sent.len());
    assert!(stored(&rig).is_subset(&sender.sent), "nothing is invented");
    rig.azure().workspace(&rig.stage.rule, |workspace| assert_eq!(workspace.conflicts(), 0));
}

#[tokio::test]
#[ignore = "builds vmagent: just matrix vmagent"]
async fn vmagent_loses_nothing() {
    let file = tools::find(&VMAGENT, "vmagent").unwrap();
    let rig = stage().await;
    let port = ports::free().unwrap();
    let queue = rig.stage.file("queue").display().to_string();
    let program = Program::new("vmagent", file)
        .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
        .arg(format!("-remoteWrite.url={}", rig.url("/api/v1/write")))
        .arg(format!("-remoteWrite.tmpDataPath={queue}"))
        // Else it waits up to a minute after some failures.
        .arg("-remoteWrite.retryMaxInterval=3s");
    let body = |name: &str, now: u64| format!("{METRIC}{{n=\"{name}\"}} 1 {now}\n");
    let url = format!("http://127.0.0.1:{port}/api/v1/import/prometheus");
    let sender = Sender::start(program, url, body).await;
    nothing_is_lost(rig, sender).await;
}

#[tokio::test]
#[ignore = "builds an OpenTelemetry Collector: just matrix collector"]
async fn an_opentelemetry_collector_loses_nothing() {
    let file = tools::find(&COLLECTOR, "otelcol").unwrap();
    let rig = stage().await;
    let port = ports::free().unwrap();
    let config = rig.stage.file("collector.yaml");
    write_config(&config, port, &rig.url("/api/v1/write"));
    let program =
        Program::new("the collector", file).arg("--config").arg(config.display().to_string());
    let body = |name: &str, now: u64| point(name, now).to_string();
    let url = format!("http://127.0.0.1:{port}/v1/metrics");
    let sender = Sender::start(program, url, body).await;
    nothing_is_lost(rig, sender).await;
}

#[tokio::test]
#[ignore = "builds Telegraf: just matrix telegraf"]
async fn telegraf_loses_nothing() {
    let file = tools::find(&TELEGRAF, "telegraf").unwrap();
    let rig = stage().await;
    let port = ports::free().unwrap();
    let config = rig.stage.file("telegraf.conf");
    std::fs::write(&config, telegraf_config(port, &rig.url("/api/v1/write"))).unwrap();
    let program = Program::new("telegraf", file).arg("--config").arg(config.display().to_string());
    let body = |name: &str, now: u64| format!("prometheus,n={name} {METRIC}=1 {now}000000\n");
    let sender = Sender::start(program, format!("http://127.0.0.1:{port}/lines"), body).await;
    nothing_is_lost(rig, sender).await;
}

/// The values of its own documentation for remote write, but that it writes every second.
fn telegraf_config(port: u16, url: &str) -> String {
    format!(
        r#"[agent]
interval = "1s"
flush_interval = "1s"
omit_hostname = true
[[inputs.http_listener_v2]]
service_address = "tcp://127.0.0.1:{port}"
paths = ["/lines"]
data_format = "influx"
[[outputs.http]]
url = "{url}"
data_format = "prometheusremotewrite"
[outputs.http.headers]
Content-Type = "application/x-protobuf"
Content-Encoding = "snappy"
X-Prometheus-Remote-Write-Version = "0.1.0"
"#
    )
}

/// JSON is YAML.
fn write_config(file: &Path, port: u16, url: &str) {
    let config = json!({
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": format!("127.0.0.1:{port}")}}}},
        "exporters": {"prometheusremotewrite": {
            "endpoint": url,
            "target_info": {"enabled": false},
            // Else it waits up to 30 s after some failures.
            "retry_on_failure": {"initial_interval": "1s", "max_interval": "3s"},
        }},
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"metrics": {
                "receivers": ["otlp"],
                "exporters": ["prometheusremotewrite"],
            }},
        },
    });
    std::fs::write(file, config.to_string()).unwrap();
}

/// One gauge in OTLP, as JSON.
fn point(name: &str, now: u64) -> Value {
    let point = json!({
        "timeUnixNano": (now * 1_000_000).to_string(),
        "asDouble": 1.0,
        "attributes": [{"key": "n", "value": {"stringValue": name}}],
    });
    let metrics = json!([{"name": METRIC, "gauge": {"dataPoints": [point]}}]);
    json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]})
}
