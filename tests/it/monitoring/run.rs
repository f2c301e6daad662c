//! Every query of the dashboard and every alert, asked of a real Prometheus that
//! scrapes and writes through real sidecars, while things go wrong.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::Value;
use tests::{
    azure::{Fault, Moment, Service},
    client::Client,
    machine::{ports, process::Process},
    product::{
        binaries,
        sidecar::Sidecar,
        webhook::{IssuedCertificate, Webhook},
    },
    prometheus::{Options, Prometheus},
    scene::{Role, Scene},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{
    alerts,
    dashboard::{self, ALL, Chosen},
    metrics::is_foreign,
};
use crate::{
    rotation::fixture::{Fixture, fixture},
    sidecar::{HEADERS, encode, few, noise, series},
};

/// Until a query has its answer: some scrapes of half a second each.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pod in which Prometheus runs, with the sidecar that meets the trouble.
const ONE: Chosen = Chosen {
    cluster: "one",
    namespace: "monitoring",
    pod: "prometheus-application",
    destination: ".*",
};
/// A destination that no sidecar has.
const ABSENT: Chosen = Chosen { destination: "absent", ..ONE };
/// Alerts to which the trouble is due.
const DUE: [&str; 6] = [
    "PromRemoteWriteBatchesRefused",
    "PromRemoteWriteCertsFailing",
    "PromRemoteWriteRequestsRejected",
    "PromRemoteWriteSamplesRefused",
    "PromRemoteWriteWebhookConfigRefused",
    "PromRemoteWriteWebhookDenies",
];

struct Run {
    scene: Scene,
    webhook: Webhook,
    cluster: Fixture,
    certs: Process,
    managed: Sidecar,
    application: Sidecar,
    prometheus: Prometheus,
}

impl Run {
    async fn start(cluster: Fixture) -> Self {
        let scene = Scene::new().await.unwrap();
        scene.azure.change(|setup| {
            setup.metadata_cache = false;
            setup.poison = vec!["poisoned".into()];
        });
        let certificate = IssuedCertificate::new("localhost").await.unwrap();
        let webhook = Webhook::start(certificate, &scene.configuration()).await.unwrap();
        scene.azure.faults(Service::Entra).push(Fault::status(500));
        let managed = inject(&scene, &webhook, &scene.identity).await;
        let application = inject(&scene, &webhook, &scene.application).await;
        let mut certs = cluster.watch(&[]);
        let admin = |line: &str| {
            let mut fields = line.split(' ').filter(|_| line.contains("serving probes"));
            fields.find_map(|field| field.strip_prefix("address=")).map(str::to_owned)
        };
        let admin = certs.line("it serves metrics", PATIENCE, admin).await.unwrap();
        let options = options(&webhook, admin, &managed, &application);
        let prometheus = Prometheus::start(&options).await.unwrap();
        Self { scene, webhook, cluster, certs, managed, application, prometheus }
    }

    async fn write(&self, body: Vec<u8>) -> u16 {
        let url = self.application.write_url();
        Client::plain().post(&url, &HEADERS, body).await.unwrap().status.as_u16()
    }

    /// Something for every metric of the sidecar.
    async fn trouble_the_sidecar(&self) {
        let large = encode((0..1500).map(|n| {
            let name = format!("metric_{n}");
            series(&name, &[("noise", &noise(n, 1000))])
        }));
        assert_eq!(self.write(large).await, 204, "split");
        assert_eq!(self.write(few(["good", "poisoned", "fine"])).await, 400);
        let url = self.application.write_url();
        let reply = Client::plain().post(&url, &[], few(["up"])).await.unwrap();
        assert_eq!(reply.status, 415);
        // Twice: a kept connection that breaks is retried. It may be the other sidecar's
        // request that meets one.
        let faults = self.scene.azure.faults(Service::Ingestion);
        let start = Instant::now();
        while self.application.count("prom_remotewrite_upstream_failures_total").await.unwrap()
            == 0.0
        {
            assert!(start.elapsed() < PATIENCE, "no connection breaks");
            faults.push_times(2, &Fault::drop(Moment::AfterBody));
            self.write(few(["up"])).await;
        }
        faults.clear();
        self.scene.azure.tokens().revoke_all();
        self.until_written().await;
    }

    /// Something for every metric of the webhook that does not take a bug.
    async fn trouble_the_webhook(&self) {
        let mut denied = Scene::pod(&self.scene.identity, 8081).unwrap();
        annotate(&mut denied, "prom-remotewrite/cloud", "Cumulus");
        assert!(!self.webhook.create(&denied).await.unwrap().allowed);
        let mut unasked = Scene::pod(&self.scene.identity, 8081).unwrap();
        annotate(&mut unasked, "prom-remotewrite/inject", "false");
        assert!(self.webhook.create(&unasked).await.unwrap().patch.0.is_empty());
        let (client, url) = (self.webhook.client(), self.webhook.url());
        let reply = client.post(&url, &[("content-type", "text/plain")], "x").await.unwrap();
        assert_eq!(reply.status, 415);
        let address = url.trim_start_matches("https://").trim_end_matches("/mutate");
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        self.webhook.configure("image: [").unwrap();
    }

    async fn until_written(&self) {
        let start = Instant::now();
        while self.write(few(["up"])).await != 204 {
            assert!(start.elapsed() < PATIENCE, "nothing is accepted any more");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the expression has a value that is a number.
    async fn answers(&self, who: &str, expression: &str) {
        let start = Instant::now();
        loop {
            let values = self.prometheus.values(expression).await;
            let values = values.unwrap_or_else(|failure| panic!("{who}: {failure}"));
            if values.iter().any(|point| !point.value.is_nan()) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{who} has no answer: {expression}\n{values:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn asks_others(&self, expression: &str) -> bool {
        self.prometheus.metrics_in(expression).await.unwrap().iter().any(|name| is_foreign(name))
    }
}

/// The sidecar that the webhook injects for this role, with a token.
async fn inject(scene: &Scene, webhook: &Webhook, role: &Role) -> Sidecar {
    let pod = Scene::pod(role, ports::free().unwrap()).unwrap();
    let admitted = webhook.create(&pod).await.unwrap();
    let file = binaries::find(binaries::SIDECAR).unwrap();
    let mut sidecar = Sidecar::start(&scene.kubelet, &admitted.pod, &file).await.unwrap();
    sidecar.ready(PATIENCE).await.unwrap();
    sidecar
}

fn annotate(pod: &mut Value, name: &str, value: &str) {
    pod["metadata"]["annotations"][name] = value.into();
}

/// Targets have the labels that Prometheus Operator gives them.
fn options(webhook: &Webhook, certs: String, managed: &Sidecar, application: &Sidecar) -> Options {
    let labels = |namespace: &str, pod: &str| {
        let labels = [("cluster", ONE.cluster), ("namespace", namespace), ("pod", pod)];
        labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    };
    Options {
        targets: vec![
            ("webhook".into(), webhook.metrics_address()),
            ("certs".into(), certs),
            ("managed".into(), managed.address()),
            ("application".into(), application.address()),
        ],
        target_labels: BTreeMap::from([
            ("prometheus".into(), labels(ONE.namespace, ONE.pod)),
            ("application".into(), labels(ONE.namespace, ONE.pod)),
            ("managed".into(), labels(ONE.namespace, "prometheus-managed")),
            ("webhook".into(), labels("prom-remotewrite-webhook", "webhook-1")),
            ("certs".into(), labels("prom-remotewrite-webhook", "certs-1")),
        ]),
        remote_writes: vec![
            ("managed".into(), managed.write_url()),
            ("application".into(), application.write_url()),
        ],
        scrape_interval: Duration::from_millis(500),
        ..Options::default()
    }
}

#[tokio::test]
async fn queries_and_alerts_have_answers() {
    let Some(cluster) = fixture("queries_and_alerts").await else { return };
    let mut run = Run::start(cluster).await;
    // Once everything has been scraped, what changes is an increase.
    let scraped = "count(prom_remotewrite_build_info or prom_remotewrite_webhook_build_info) == 3";
    run.answers("a first scrape", scraped).await;
    run.answers("a certificate", "prom_remotewrite_certs_up_to_date == 1").await;
    run.cluster.delete_configuration().await;
    run.until_written().await;
    run.trouble_the_sidecar().await;
    run.trouble_the_webhook().await;
    for query in dashboard::queries() {
        for chosen in [&ALL, &ONE] {
            let expression = query.with(chosen);
            if run.asks_others(&expression).await {
                // That it is accepted is all that can be seen here.
                run.prometheus.values(&expression).await.unwrap();
            } else {
                run.answers(&query.name, &expression).await;
            }
        }
        if query.is_by_destination() {
            let found = run.prometheus.values(&query.with(&ABSENT)).await.unwrap();
            let is_nothing = found.iter().all(|point| point.value.abs() < f64::EPSILON);
            assert!(is_nothing, "{}: {found:?}", query.name);
        }
    }
    for alert in alerts() {
        if DUE.contains(&alert.name.as_str()) {
            run.answers(&alert.name, &alert.expr).await;
        } else {
            run.prometheus.values(&alert.expr).await.unwrap();
        }
    }
    run.prometheus.stop().await.unwrap();
    run.managed.stop().await.unwrap();
    run.application.stop().await.unwrap();
    run.webhook.stop().await.unwrap();
    run.certs.stop(PATIENCE).await.unwrap();
}
