//! The whole way: annotated pod, injected sidecar, real Prometheus, samples
//! behind a checked token.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use tests::{
    azure::{Azure, Labels, PUBLIC_AUDIENCES, SubjectTrust},
    keys::authority::Authority,
    machine::ports,
    product::{
        binaries,
        sidecar::Sidecar,
        webhook::{IssuedCertificate, Webhook},
    },
    prometheus::{Options, Prometheus, Range},
    scene::{CLUSTER, Role, Scene},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// The value that Prometheus writes where a series ends; its own API never
/// shows it.
///
/// `model/value/value.go`, `StaleNaN`.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// The sidecar that the webhook injects for this role.
async fn inject(scene: &Scene, webhook: &Webhook, role: &Role) -> Sidecar {
    let pod = Scene::pod(role, ports::free().unwrap()).unwrap();
    let admitted = webhook.create(&pod).await.unwrap();
    assert!(admitted.allowed, "{}", admitted.message);
    let file = binaries::find(binaries::SIDECAR).unwrap();
    let mut sidecar = Sidecar::start(&scene.kubelet, &admitted.pod, &file).await.unwrap();
    sidecar.ready(PATIENCE).await.unwrap();
    sidecar
}

#[tokio::test]
async fn azure_has_every_sample_of_prometheus() {
    let scene = Scene::new().await.unwrap();
    let certificate = IssuedCertificate::new("localhost").await.unwrap();
    let mut webhook = Webhook::start(certificate, &scene.configuration()).await.unwrap();
    let mut managed = inject(&scene, &webhook, &scene.identity).await;
    let mut application = inject(&scene, &webhook, &scene.application).await;
    let options = Options {
        targets: vec![
            ("webhook".into(), webhook.metrics_address()),
            ("managed".into(), managed.address()),
            ("application".into(), application.address()),
        ],
        remote_writes: vec![
            ("managed".into(), managed.write_url()),
            ("application".into(), application.write_url()),
        ],
        external_labels: BTreeMap::from([("cluster".into(), CLUSTER.into())]),
        scrape_interval: Duration::from_millis(500),
        ..Options::default()
    };
    let mut prometheus = Prometheus::start(&options).await.unwrap();

    let start = Instant::now();
    for role in scene.roles() {
        while scrapes(&scene.azure, role) < 4 * 4 {
            assert!(start.elapsed() < PATIENCE, "{}: nothing was stored", role.name);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let held = prometheus.range("{__name__=~\".+\"}[5m]", None).await.unwrap();
    prometheus.stop().await.unwrap();
    let said = prometheus.process().output();
    assert!(!said.contains("non-recoverable"), "{said}");
    for role in scene.roles() {
        compare(&scene.azure, role, &held);
    }
    managed.stop().await.unwrap();
    application.stop().await.unwrap();
    webhook.stop().await.unwrap();
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_need_not_be_registered() {
    let mut scene = Scene::new().await.unwrap();
    let authority = Authority::new("company").unwrap();
    let certificate = authority.application("prometheus.example").unwrap();
    let trust =
        SubjectTrust { subject: "prometheus.example".into(), authority: authority.der().to_vec() };
    scene.azure.change(|setup| {
        setup.applications[0].certificates.clear();
        setup.applications[0].issuers.push(trust);
    });
    for pfx in scene.kubelet.provider_classes.values_mut().flat_map(|files| files.values_mut()) {
        *pfx = certificate.pfx().unwrap();
    }
    let mut configuration = scene.configuration();
    configuration["profiles"][scene.application.profile]["sendCertificateChain"] = true.into();
    let issued = IssuedCertificate::new("localhost").await.unwrap();
    let webhook = Webhook::start(issued, &configuration).await.unwrap();
    let _ready = inject(&scene, &webhook, &scene.application).await;
    assert_eq!(scene.azure.tokens().count(), 1);
}

/// A value for comparing; the API writes every not-a-number as `NaN`.
fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

/// How many samples of `up` have arrived.
fn scrapes(azure: &Azure, role: &Role) -> usize {
    azure.workspace(&role.rule, |workspace| {
        workspace.find(&[("__name__", "up")]).map(|(_, series)| series.samples.len()).sum()
    })
}

/// Every sample that Prometheus said it had is there, once; what
/// is there besides is what it scraped after it was asked.
fn compare(azure: &Azure, role: &Role, held: &[Range]) {
    let asked_at = held.iter().flat_map(|range| &range.samples).map(|(time, _)| *time).max();
    let asked_at = asked_at.unwrap();
    let mut expected: BTreeMap<Labels, BTreeSet<(i64, u64)>> = BTreeMap::new();
    for range in held {
        let mut labels = range.labels.clone();
        labels.insert("cluster".into(), CLUSTER.into());
        let samples = range.samples.iter().map(|(time, value)| (*time, bits(*value)));
        expected.insert(labels, samples.collect());
    }
    azure.workspace(&role.rule, |workspace| {
        assert_eq!((workspace.duplicates(), workspace.conflicts()), (0, 0), "{}", role.name);
        assert_eq!(workspace.writers.keys().collect::<Vec<_>>(), [&role.principal.client_id]);
        assert_eq!(workspace.audiences.keys().collect::<Vec<_>>(), [PUBLIC_AUDIENCES[0]]);
        for (labels, series) in workspace.series() {
            let expected = expected.remove(labels).unwrap_or_default();
            let arrived: BTreeSet<(i64, u64)> = series
                .samples
                .iter()
                .filter(|sample| sample.value.to_bits() != STALE)
                .map(|sample| (sample.timestamp, bits(sample.value)))
                .collect();
            let missing: Vec<_> = expected.difference(&arrived).collect();
            assert!(missing.is_empty(), "{}: {labels:?} lacks {missing:?}", role.name);
            let early: Vec<_> =
                arrived.difference(&expected).filter(|(time, _)| *time < asked_at - 1000).collect();
            assert!(early.is_empty(), "{}: {labels:?} has {early:?}", role.name);
        }
        assert!(expected.is_empty(), "{}: never arrived: {:?}", role.name, expected.keys());
    });
}
