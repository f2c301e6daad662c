//! The sidecar as a process, started from a patched pod.

use std::{collections::BTreeMap, path::Path, time::Duration};

use contract::{DestinationName, names};
use serde_json::Value;

use crate::{
    client::Client,
    failure::{Context, Failure, Outcome},
    kubernetes::kubelet::{AtomicFolder, Kubelet, Prepared},
    machine::process::{Process, Usage},
};

/// It serves until Prometheus has gone, and ends then.
const STOPS_WITHIN: Duration = Duration::from_secs(30);
/// From start to `/health`; it is a few milliseconds.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// A running sidecar.
pub struct Sidecar {
    process: Process,
    prepared: Prepared,
    port: u16,
    client: Client,
}

impl Sidecar {
    /// Starts the container that the webhook injected into `pod`, with `file`
    /// for its image, and waits until it lives. Whether it has a token is
    /// another matter.
    pub async fn start(kubelet: &Kubelet, pod: &Value, file: &Path) -> Outcome<Self> {
        let prepared = kubelet.prepare(pod, names::CONTAINER, file)?;
        let port = listening_port(pod)?;
        let process = prepared.program.start()?;
        let mut running = Self { process, prepared, port, client: Client::plain() };
        running.wait_for(names::HEALTH_PATH, STARTS_WITHIN).await?;
        Ok(running)
    }

    /// `host:port` of its one listener.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port of its one listener.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The last line that it logged as a warning or an error.
    pub fn last_complaint(&self) -> Option<String> {
        let output = self.process.output();
        let complains = |line: &&str| line.contains("level=warn") || line.contains("level=error");
        output.lines().rfind(complains).map(str::to_owned)
    }

    /// Where Prometheus writes to.
    pub fn write_url(&self) -> String {
        format!("http://{}{}", self.address(), names::WRITE_PATH)
    }

    /// Where Prometheus writes what is for the destination of this name.
    pub fn write_url_of(&self, destination: &str) -> Outcome<String> {
        let name: DestinationName = destination
            .parse()
            .map_err(|_| Failure::new(format!("{destination:?} is no destination's name")))?;
        Ok(format!("http://{}{}", self.address(), name.write_path()))
    }

    /// Waits until it holds a token.
    pub async fn ready(&mut self, patience: Duration) -> Outcome<()> {
        self.wait_for(names::READY_PATH, patience).await
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// One of its volumes, whose files a test may replace.
    pub fn volume(&self, name: &str) -> Option<&AtomicFolder> {
        self.prepared.volumes.get(name)
    }

    /// What it has used so far.
    pub fn usage(&self) -> Option<Usage> {
        self.process.usage()
    }

    /// Its own metrics: each series as it is written, with its value.
    pub async fn metrics(&self) -> Outcome<BTreeMap<String, f64>> {
        let url = format!("http://{}{}", self.address(), names::METRICS_PATH);
        self.client.metrics(&url).await
    }

    /// The sum of a counter over all its labels.
    pub async fn count(&self, name: &str) -> Outcome<f64> {
        let metrics = self.metrics().await?;
        let of = |series: &String| series.split('{').next() == Some(name);
        Ok(metrics.iter().filter(|(series, _)| of(series)).map(|(_, value)| value).sum())
    }

    /// Asks it to end.
    pub async fn stop(&mut self) -> Outcome<()> {
        let status = self.process.stop(STOPS_WITHIN).await?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("the sidecar ended with {status}:\n{}", self.process.output())))
    }

    async fn wait_for(&mut self, path: &str, patience: Duration) -> Outcome<()> {
        let (client, url) = (self.client.clone(), format!("http://{}{path}", self.address()));
        let probe = async |_: &Process| {
            let reply = client.get(&url).await.ok()?;
            reply.status.is_success().then_some(())
        };
        self.process.until(&format!("{path} said yes"), patience, probe).await
    }
}

/// The port as the pod announces it.
fn listening_port(pod: &Value) -> Outcome<u16> {
    let lists = ["/spec/initContainers", "/spec/containers"];
    let containers = lists.iter().filter_map(|path| pod.pointer(path)?.as_array()).flatten();
    let named = |name: &'static str| {
        move |value: &&Value| value.get("name").and_then(Value::as_str) == Some(name)
    };
    let container = containers.into_iter().find(named(names::CONTAINER));
    let ports = container.and_then(|container| container.get("ports")?.as_array());
    let port = ports.into_iter().flatten().find(named(names::PORT));
    let number = port.and_then(|port| port.get("containerPort")?.as_u64());
    number
        .and_then(|number| u16::try_from(number).ok())
        .context("find the sidecar's port in the pod")
}
