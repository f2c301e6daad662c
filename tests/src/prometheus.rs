//! Real Prometheus: configured, started, asked, stopped.

pub mod account;
mod answers;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use url::form_urlencoded;

pub use answers::{Point, Range, Target, ranges};

use crate::{
    client::Client,
    failure::{Context, Outcome},
    machine::{
        folder, ports,
        process::{Process, Program},
    },
    tools,
};

/// From start to `/-/ready`; it is a second on an idle machine.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// It flushes its queues for up to a minute.
const STOPS_WITHIN: Duration = Duration::from_secs(75);

/// How Prometheus runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// With a database, which can be asked what it holds.
    Server,
    /// As an agent: scrapes and writes, keeps nothing.
    Agent,
}

/// The configuration of Prometheus.
#[derive(Clone, Debug)]
pub struct Options {
    /// How it runs.
    pub mode: Mode,
    /// What it scrapes besides itself: a job and `host:port`.
    pub targets: Vec<(String, String)>,
    /// Labels for what a job's target tells, as an operator would add them.
    pub target_labels: BTreeMap<String, BTreeMap<String, String>>,
    /// Where it writes: a name for its metrics, and the URL.
    pub remote_writes: Vec<(String, String)>,
    /// `write_relabel_configs` of a remote write, by its name.
    pub write_relabelling: BTreeMap<String, Value>,
    /// Labels on everything that it writes.
    pub external_labels: BTreeMap<String, String>,
    /// How often it scrapes.
    pub scrape_interval: Duration,
    /// The longest that a sample waits for others to be sent with.
    pub send_deadline: Duration,
    /// `io.prometheus.write.v2.Request`, which Prometheus has from 2.54 on, or what is
    /// its default: `prometheus.WriteRequest`.
    pub message: Option<&'static str>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::Server,
            targets: Vec::new(),
            target_labels: BTreeMap::new(),
            remote_writes: Vec::new(),
            write_relabelling: BTreeMap::new(),
            external_labels: BTreeMap::from([("cluster".to_owned(), "test".to_owned())]),
            scrape_interval: Duration::from_secs(1),
            send_deadline: Duration::from_millis(500),
            message: None,
        }
    }
}

/// A running Prometheus. Dropped, it is killed and its data removed.
pub struct Prometheus {
    process: Process,
    port: u16,
    client: Client,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts it and waits until it is ready. It blocks while Prometheus has
    /// to be built.
    pub async fn start(options: &Options) -> Outcome<Self> {
        let program = tools::find(&tools::PROMETHEUS, "prometheus")?;
        let folder = folder::temporary("Prometheus")?;
        let port = ports::free()?;
        let file = folder.path().join("prometheus.yml");
        // JSON is YAML, and quotes itself.
        let text = format!("{:#}", configuration(options, port));
        fs::write(&file, text).context("write Prometheus' configuration")?;
        let data = folder.path().join("data").display().to_string();
        let storage = match options.mode {
            Mode::Server => vec![format!("--storage.tsdb.path={data}")],
            Mode::Agent => {
                // A feature flag before version 3.
                let flag = if Self::is_since(3, 0)? { "--agent" } else { "--enable-feature=agent" };
                vec![flag.to_owned(), format!("--storage.agent.path={data}")]
            }
        };
        let process = Program::new("Prometheus", program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(storage)
            .folder(folder.path())
            .start()?;
        let mut running = Self { process, port, client: Client::plain(), _folder: folder };
        running.await_readiness().await?;
        Ok(running)
    }

    /// Whether the Prometheus that would be started is of this version or newer.
    pub fn is_since(major: u32, minor: u32) -> Outcome<bool> {
        let program = tools::find(&tools::PROMETHEUS, "prometheus")?;
        let said = Command::new(program).arg("--version").output().context("run Prometheus")?;
        let said = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
        let version = said.split_once("version ").map(|(_, rest)| rest).unwrap_or_default();
        let mut numbers = version.split('.').map_while(|part| part.parse::<u32>().ok());
        let found = numbers.next().zip(numbers.next());
        Ok(found.context(format!("read Prometheus' version: {said}"))? >= (major, minor))
    }

    async fn await_readiness(&mut self) -> Outcome<()> {
        let (client, url) = (self.client.clone(), format!("{}/-/ready", self.url()));
        let probe = async |_: &Process| {
            let reply = client.get(&url).await.ok()?;
            reply.status.is_success().then_some(())
        };
        self.process.until("it was ready", READY_WITHIN, probe).await
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Every sample that a range selector such as `up[1m]` finds, as it was
    /// scraped; `at` is seconds since 1970, now if absent.
    pub async fn range(&self, selector: &str, at: Option<f64>) -> Outcome<Vec<Range>> {
        ranges(&self.query(selector, at).await?)
    }

    /// The value of every series that an expression yields now.
    pub async fn values(&self, expression: &str) -> Outcome<Vec<Point>> {
        answers::points(&self.query(expression, None).await?)
    }

    /// The names of the metrics that an expression reads; empty where the
    /// expression has none.
    pub async fn metrics_in(&self, expression: &str) -> Outcome<BTreeSet<String>> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", expression);
        let tree = self.api(&format!("parse_query?{}", form.finish())).await?;
        Ok(answers::metrics(&tree))
    }

    /// What it scrapes.
    pub async fn targets(&self) -> Outcome<Vec<Target>> {
        let data = self.api("targets?state=active").await?;
        answers::targets(&data)
    }

    /// Asks it to end; it sends what it still has.
    pub async fn stop(&mut self) -> Outcome<()> {
        self.process.stop(STOPS_WITHIN).await.map(|_| ())
    }

    /// What an expression yields from `start` to `end`, in seconds since 1970, at every
    /// `step`, in seconds: the `data` of the answer.
    pub async fn query_range(
        &self,
        expression: &str,
        (start, end): (f64, f64),
        step: u32,
    ) -> Outcome<Value> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", expression).append_pair("start", &start.to_string());
        form.append_pair("end", &end.to_string()).append_pair("step", &step.to_string());
        self.api(&format!("query_range?{}", form.finish())).await
    }

    async fn query(&self, expression: &str, at: Option<f64>) -> Outcome<Value> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", expression);
        if let Some(at) = at {
            form.append_pair("time", &format!("{at:.3}"));
        }
        self.api(&format!("query?{}", form.finish())).await
    }

    async fn api(&self, path: &str) -> Outcome<Value> {
        let reply = self.client.get(&format!("{}/api/v1/{path}", self.url())).await?;
        let mut body: Value = reply.successful()?.json()?;
        Ok(body.get_mut("data").map(Value::take).unwrap_or_default())
    }
}

fn configuration(options: &Options, port: u16) -> Value {
    let milliseconds = |duration: Duration| format!("{}ms", duration.as_millis());
    let job = |name: &str, address: &str| {
        let labels = options.target_labels.get(name).cloned().unwrap_or_default();
        let targets = json!([{"targets": [address], "labels": labels}]);
        json!({"job_name": name, "static_configs": targets})
    };
    let own = job("prometheus", &format!("127.0.0.1:{port}"));
    let others = options.targets.iter().map(|(name, address)| job(name, address));
    // Versions before 2.54 know no such key.
    let message = options.message.map(|message| ("protobuf_message", json!(message)));
    let write = |(name, url): &(String, String)| {
        let fields = [
            ("name", json!(name)),
            ("url", json!(url)),
            ("write_relabel_configs", json!(options.write_relabelling.get(name))),
            (
                "queue_config",
                json!({
                    "batch_send_deadline": milliseconds(options.send_deadline),
                    // Small, so that a sender that must wait retries soon.
                    "max_backoff": "1s",
                }),
            ),
        ];
        fields.into_iter().chain(message.clone()).collect::<Value>()
    };
    json!({
        "global": {
            "scrape_interval": milliseconds(options.scrape_interval),
            "scrape_timeout": milliseconds(options.scrape_interval),
            "external_labels": options.external_labels,
        },
        "scrape_configs": std::iter::once(own).chain(others).collect::<Vec<_>>(),
        "remote_write": options.remote_writes.iter().map(write).collect::<Vec<_>>(),
    })
}
