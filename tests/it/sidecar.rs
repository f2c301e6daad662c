//! The sidecar's behaviour, through its front door: the real program, real TLS,
//! and the stand-in for Azure behind it.

mod answers;
mod check;
mod connections;
mod destinations;
mod fidelity;
mod health;
mod limits;
mod log;
mod misdirected;
mod native;
mod outcomes;
mod prometheus;
mod rescue;
mod secrecy;
mod senders;
mod shutdown;
mod tokens;
mod transport;
mod versions;

use std::{
    collections::BTreeMap,
    net::{IpAddr, UdpSocket},
    path::Path,
    time::Duration,
};

use bytes::Bytes;
use prost::Message;
use tempfile::TempDir;
use tests::{
    azure::{
        Azure, Principal, Service, Setup,
        wire::{Label, Sample, TimeSeries, WriteRequest},
    },
    client::{Client, Reply},
    keys::authority::ApplicationCertificate,
    kubernetes::control_plane::say_skipped,
    machine::{
        ports,
        process::{Process, Program},
    },
    product::{architecture::Architecture, binaries},
};

/// The headers of a remote-write request of version 1.0.
pub(crate) const HEADERS: [(&str, &str); 3] = [
    ("content-type", "application/x-protobuf"),
    ("content-encoding", "snappy"),
    ("x-prometheus-remote-write-version", "0.1.0"),
];
/// An identity service that has failed several times is asked again within 45 s; all else
/// takes milliseconds on a machine that does nothing else.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stand-in with one identity, one application and one rule, and the settings of a
/// sidecar in front of it.
struct Stage {
    azure: Azure,
    rule: String,
    certificate: ApplicationCertificate,
    application: Principal,
    variables: BTreeMap<String, String>,
    folder: TempDir,
    /// Where it logs; by default where the harness reads it.
    log: Option<std::io::PipeWriter>,
}

/// A sidecar that runs on a stage.
struct Rig {
    stage: Stage,
    process: Process,
    port: u16,
    client: Client,
}

impl Stage {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let (identity, application) = (Principal::new(), Principal::new());
        let certificate = ApplicationCertificate::new("first").unwrap();
        let mut setup = Setup::with_writers(&identity, &application, certificate.der());
        let rule = setup.rules[0].clone();
        change(&mut setup);
        let azure = Azure::start(setup).await.unwrap();
        let folder = TempDir::new().unwrap();
        let roots = folder.path().join("ca.pem");
        std::fs::write(&roots, azure.trust()).unwrap();
        let mut stage = Self {
            azure,
            rule: rule.id,
            certificate,
            application,
            variables: BTreeMap::new(),
            folder,
            log: None,
        };
        stage.set("INGESTION_URL", stage.azure.ingestion_url(&stage.rule));
        stage.set("IDENTITY_TYPE", "userAssigned");
        stage.set("AZURE_CLIENT_ID", &identity.client_id);
        stage.set("AZURE_POD_IDENTITY_AUTHORITY_HOST", stage.azure.metadata_host().to_owned());
        stage.set("AZURE_AUTHORITY_HOST", stage.azure.authority_host().to_owned());
        stage.set("SSL_CERT_FILE", roots.to_str().unwrap());
        stage.set("LOG_LEVEL", "trace");
        stage
    }

    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    /// The sidecar is the application, with its certificate in a file.
    fn be_the_application(&mut self) {
        let path = self.folder.path().join("certificate");
        std::fs::write(&path, self.certificate.pfx().unwrap()).unwrap();
        self.set("IDENTITY_TYPE", "aadApplication");
        self.set("AZURE_CLIENT_ID", self.application.client_id.clone());
        self.set("AZURE_TENANT_ID", self.azure.tenant());
        self.set("MDM_CERT_PATH", path.to_str().unwrap());
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    /// Starts the sidecar and waits until it listens.
    async fn start(self) -> Rig {
        self.start_on(ports::free().unwrap()).await
    }

    /// Starts it where an earlier one listened.
    async fn start_on(mut self, port: u16) -> Rig {
        self.set("LISTENING_PORT", port.to_string());
        let file = binaries::find(binaries::SIDECAR).unwrap();
        let mut program = Program::new("sidecar", file).envs(self.variables.clone());
        if let Some(log) = self.log.take() {
            program = program.stderr(log);
        }
        let mut process = program.start().unwrap();
        let client = Client::plain();
        let health = format!("http://127.0.0.1:{port}/health");
        process
            .until("it listens", PATIENCE, async |_| client.get(&health).await.ok())
            .await
            .unwrap();
        Rig { stage: self, process, port, client }
    }

    /// Starts it, and waits until it holds a token.
    async fn ready(self) -> Rig {
        let mut rig = self.start().await;
        let (client, url) = (rig.client.clone(), rig.url("/ready"));
        let ready = async |_: &Process| client.get(&url).await.ok()?.successful().ok();
        rig.process.until("it is ready", PATIENCE, ready).await.unwrap();
        rig
    }
}

impl Rig {
    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn azure(&self) -> &Azure {
        &self.stage.azure
    }

    async fn post(&self, body: impl Into<Bytes>) -> Reply {
        self.client.post(&self.url("/api/v1/write"), &HEADERS, body).await.unwrap()
    }

    async fn status(&self, body: impl Into<Bytes>) -> u16 {
        self.post(body).await.status.as_u16()
    }

    /// What the stand-in holds of the unnamed destination's.
    fn stored(&self) -> BTreeMap<String, usize> {
        stored(self.azure(), &self.stage.rule)
    }

    /// One value of the sidecar's own metrics, summed over what begins so. To
    /// Prometheus, an empty label is none.
    async fn metric(&self, series: &str) -> u64 {
        let text = self.client.get(&self.url("/metrics")).await.unwrap().text();
        let text = text.replace(",destination=\"\"}", "}").replace("{destination=\"\"}", "");
        let values = text.lines().filter(|line| line.starts_with(series));
        values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    }

    /// Ends the sidecar once its client is gone, and returns all that it wrote.
    async fn end(&mut self) -> String {
        drop(std::mem::replace(&mut self.client, Client::plain()));
        self.process.stop(PATIENCE).await.unwrap();
        self.process.output()
    }

    fn asked(&self, service: Service) -> usize {
        self.azure().requests(service).len()
    }
}

/// The names of the metrics that a stand-in holds, each with how often all of its
/// series were stored: none more or less often than another.
fn stored(azure: &Azure, rule: &str) -> BTreeMap<String, usize> {
    let mut metrics: BTreeMap<String, (usize, Vec<usize>)> = BTreeMap::new();
    azure.workspace(rule, |workspace| {
        for (labels, one) in workspace.series() {
            let (all, times) =
                metrics.entry(labels.get("__name__").cloned().unwrap_or_default()).or_default();
            *all = labels.get(OF).and_then(|all| all.parse().ok()).unwrap_or(0);
            times.push(one.samples.len());
        }
    });
    let each = metrics.into_iter().map(|(name, (all, times))| {
        assert!(all == 0 || all == times.len(), "{} of {all} series of {name}", times.len());
        assert!(times.iter().all(|one| *one == times[0]), "{name} in parts: {times:?}");
        (name, times[0])
    });
    each.collect()
}

/// An address of this machine that is not loopback; what is sent there does not
/// leave it. `None` on a machine without any network, where this cannot be tried.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Asks the system for a route, and sends nothing.
    socket.connect("203.0.113.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// What Prometheus sends at once (`max_samples_per_send`).
const BATCH_SAMPLES: usize = 2000;
/// The label with the number of series of its metric in a batch.
const OF: &str = "of";

/// A batch as Prometheus sends it: 2000 samples, divided among these metrics, one
/// for each series. It arrives in several reads.
pub(crate) fn batch<'a>(metrics: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let metrics: Vec<&str> = metrics.into_iter().collect();
    let of = BATCH_SAMPLES / metrics.len();
    encode(metrics.into_iter().flat_map(|metric| (0..of).map(move |n| member(metric, n, of))))
}

/// One of `of` series of a metric, with the labels of a Kubernetes target.
fn member(metric: &str, number: usize, of: usize) -> TimeSeries {
    let pod = format!("checkout-{:08x}-{:05x}", number / 20 * 40_503, number / 20);
    let instance = format!("10.{}.{}.17:8080", number / 20 % 250, number / 5000);
    let path = format!("/api/v1/orders/{}", number % 20);
    let labels = [
        ("cluster", "aks-westeurope-1"),
        ("container", "checkout"),
        ("endpoint", "http-metrics"),
        ("instance", &instance),
        ("job", "monitoring/checkout"),
        ("namespace", "shop"),
        (OF, &of.to_string()),
        ("path", &path),
        ("pod", &pod),
        ("service", "checkout"),
    ];
    series(metric, &labels)
}

/// A batch of one series with one sample for each of these metrics.
pub(crate) fn few<'a>(metrics: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    encode(metrics.into_iter().map(|metric| series(metric, &[])))
}

pub(crate) fn series(metric: &str, labels: &[(&str, &str)]) -> TimeSeries {
    let label = |(name, value): (&str, &str)| Label { name: name.into(), value: value.into() };
    let labels = [("__name__", metric)].into_iter().chain(labels.iter().copied()).map(label);
    let sample = Sample { value: 1.5, timestamp: 1_795_000_000_000, start_timestamp: 0 };
    TimeSeries { labels: labels.collect(), samples: vec![sample], ..TimeSeries::default() }
}

pub(crate) fn encode(series: impl IntoIterator<Item = TimeSeries>) -> Vec<u8> {
    let request = WriteRequest { timeseries: series.into_iter().collect(), metadata: Vec::new() };
    snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap()
}

/// A text that does not compress.
pub(crate) fn noise(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + u8::try_from(state % 90).unwrap())
    };
    (0..length).map(|_| next()).collect()
}

/// Whether the sidecar is emulated, so that its memory is that of the emulator as well; if
/// so, says that the test of its memory was skipped.
fn is_emulated(test: &str) -> bool {
    let is_emulated = Architecture::chosen().unwrap() != Architecture::HERE;
    if is_emulated {
        say_skipped(test, "the memory of an emulator is not that of the program");
    }
    is_emulated
}
