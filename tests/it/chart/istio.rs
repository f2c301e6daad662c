//! Pods that go through Istio's own injector and the chart's webhook, in both orders.
//!
//! The injector takes minutes to build, so `just matrix` runs these, and `cargo test` does
//! not.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use contract::annotations::PREFIX;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::{Value, json};
use tests::{
    client::Client,
    machine::{
        ports,
        process::{Process, Program},
    },
    product::{admission, webhook::IssuedCertificate},
    tools::{self, ISTIO},
};

use super::{
    helm::Helm,
    injected::{self, golden, sidecar},
    objects::{self, of_kind, text},
    trial::{Trial, eventually},
};
use crate::policy::compare::compared;

/// The chart of Istio's control plane, in its module.
const CHART: &str = "manifests/charts/istio-control/istio-discovery";
const PROXY: &str = "istio-proxy";
/// Where Istio's proxy tells its agent what the kubelet asked before.
const PROBERS: &str = "ISTIO_KUBE_APP_PROBERS";
/// Of Istio's proxy: what they say depends on the other containers.
const OF_OTHERS: [&str; 3] = [PROBERS, "ISTIO_META_APP_CONTAINERS", "ISTIO_META_POD_PORTS"];
/// The port at which Istio's agent answers probes.
const AGENT_PORT: u16 = 15020;

/// Istio's injector, as its chart configures it.
struct Istio {
    process: Process,
    port: u16,
    certificate: IssuedCertificate,
    /// What the chart renders.
    configuration: Value,
}

impl Istio {
    async fn start(test: &str, namespace: &str) -> Self {
        let chart = tools::source(ISTIO.folder, "istio.io/istio").unwrap().join(CHART);
        let chart = chart.display().to_string();
        let helm = Helm::find(test).unwrap();
        // The name of the configuration has the namespace at its end.
        let arguments = ["template", "istiod", &chart, "--namespace", namespace];
        let yaml = helm.run(&[&arguments[..], &["--set", "global.tag=1.31.0"]].concat()).await;
        let rendered = objects::documents(&yaml.unwrap());
        let certificate = IssuedCertificate::in_process("localhost").unwrap();
        let folder = certificate.pair()[0].parent().unwrap().to_owned();
        let is_injectors =
            |object: &&Value| text(object, "/metadata/name") == "istio-sidecar-injector";
        let map = rendered.iter().find(is_injectors).unwrap();
        for file in ["config", "values"] {
            fs::write(folder.join(file), text(map, &format!("/data/{file}"))).unwrap();
        }
        let port = ports::free().unwrap();
        let process = Program::new("Istio's injector", injector())
            .args(["--address", &format!("localhost:{port}"), "--folder"])
            .arg(folder.display().to_string())
            // A pod's annotation says it, where nodes cannot.
            .env("ENABLE_NATIVE_SIDECARS", "false")
            .start()
            .unwrap();
        let configuration = of_kind(&rendered, "MutatingWebhookConfiguration").clone();
        Self { process, port, certificate, configuration }
    }

    /// Applies the chart's webhook configuration, with another address and for one
    /// namespace, which asks for the mesh.
    async fn register(&self, trial: &Trial, policy: &str) {
        let namespace = trial.namespace;
        let labels = json!({
            "istio-injection": "enabled",
            // Without istio-cni, a container sets up the pod's network.
            "pod-security.kubernetes.io/enforce": "privileged",
        });
        let asks = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": namespace, "labels": labels},
        });
        objects::apply(&trial.client, &asks).await.unwrap();
        let only = json!({
            "key": "kubernetes.io/metadata.name",
            "operator": "In",
            "values": [namespace],
        });
        let mut configuration = self.configuration.clone();
        for webhook in configuration["webhooks"].as_array_mut().unwrap() {
            assert_eq!(webhook["reinvocationPolicy"], "Never", "Istio's own");
            webhook["reinvocationPolicy"] = json!(policy);
            webhook["clientConfig"] = json!({
                "url": format!("https://localhost:{}/inject", self.port),
                "caBundle": BASE64_STANDARD.encode(self.certificate.authority().unwrap()),
            });
            let selector = &mut webhook["namespaceSelector"]["matchExpressions"];
            selector.as_array_mut().unwrap().push(only.clone());
        }
        objects::apply(&trial.client, &configuration).await.unwrap();
    }

    /// How often it has been asked.
    fn reviews(&self) -> usize {
        self.process.output().matches("Process sidecar injection request").count()
    }

    /// Waits until a pod that asks for both goes to it as often as `policy` says.
    async fn until_in_force(&self, trial: &Trial, policy: &str) {
        let pod = pod(trial, &[("inject", "true")], "false");
        let expected = if policy == "Never" { 1 } else { 2 };
        eventually(&format!("Istio's policy is {policy}"), async || {
            let before = self.reviews();
            objects::apply_dry(&trial.client, &pod).await.ok()?;
            (self.reviews() - before == expected).then_some(())
        })
        .await;
    }
}

fn injector() -> PathBuf {
    tools::find(&ISTIO, "istio-injector").unwrap()
}

/// A pod of Prometheus; whether Istio's proxy is to be a native sidecar.
fn pod(trial: &Trial, annotations: &[(&str, &str)], native: &str) -> Value {
    let mut pod = trial.pod("one", annotations);
    pod["metadata"]["annotations"]["sidecar.istio.io/nativeSidecar"] = json!(native);
    pod
}

async fn made(trial: &Trial, pod: &Value) -> Value {
    let made = objects::apply_dry(&trial.client, pod).await;
    let made = made.unwrap_or_else(|error| panic!("{error}\n{pod:#}"));
    assert_eq!(names(&made).filter(|name| *name == PROXY).count(), 1);
    made
}

fn names(pod: &Value) -> impl Iterator<Item = &str> {
    let lists = ["initContainers", "containers"].into_iter();
    lists.flat_map(|list| pod["spec"][list].as_array().unwrap()).map(|one| text(one, "/name"))
}

/// Every container of a list of that name, in both lists.
fn find<'a>(pod: &'a Value, name: &str) -> &'a Value {
    let mut lists = ["initContainers", "containers"].into_iter();
    let all = |list| pod["spec"][list].as_array().unwrap().iter();
    lists.find_map(|list| all(list).find(|one| text(one, "/name") == name)).unwrap()
}

/// The probes that Istio's agent passes on, by its paths.
fn probers(pod: &Value) -> Value {
    let all = find(pod, PROXY)["env"].as_array().unwrap();
    let value = all.iter().find(|variable| text(variable, "/name") == PROBERS).unwrap();
    serde_json::from_str(text(value, "/value")).unwrap()
}

/// The webhook's golden pod with the probe that a pod in a mesh has.
fn golden_in_a_mesh(name: &str) -> Value {
    let mut golden = golden(name);
    let (list, _) = sidecar(&golden).unwrap();
    let all = golden["spec"][list].as_array_mut().unwrap();
    let ours = all.iter_mut().find(|one| one["name"] == contract::names::CONTAINER).unwrap();
    ours["livenessProbe"] = json!({
        "exec": {"command": ["/prom-remotewrite", "health"]},
        "periodSeconds": 10,
        "timeoutSeconds": 10,
    });
    golden
}

/// The pod without what is ours, and without what Istio says of all containers.
fn rest(pod: &Value) -> Value {
    let mut pod = compared(pod);
    let annotations = pod["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.retain(|name, _| !name.starts_with(PREFIX));
    let spec = pod["spec"].as_object_mut().unwrap();
    spec.remove("imagePullSecrets");
    for list in ["initContainers", "containers", "volumes"] {
        let all = spec[list].as_array_mut().unwrap();
        all.retain(|one| !text(one, "/name").starts_with(contract::names::CONTAINER));
        for proxy in all.iter_mut().filter(|one| one["name"] == PROXY) {
            let all = proxy["env"].as_array_mut().unwrap();
            all.retain(|one| !OF_OTHERS.contains(&text(one, "/name")));
        }
    }
    pod
}

/// What the webhook would add to the pod if it were asked once more.
async fn changed_by_another_review(trial: &Trial, pod: &Value) -> usize {
    let mut roots = RootCertStore::empty();
    let file = trial.serving.certificate_folder().join("ca.crt");
    for certificate in CertificateDer::pem_file_iter(Path::new(&file)).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let client = Client::new(roots);
    let admitted = admission::create(&client, &trial.serving.url(), pod).await.unwrap();
    assert!(admitted.allowed && admitted.warnings.is_empty(), "{:?}", admitted.warnings);
    admitted.patch.len()
}

/// Pods with both sidecars, with whatever reinvocation policy Istio has.
async fn both_sidecars_are_complete(test: &str, namespace: &'static str) {
    let Some(trial) = Trial::new(test, namespace, &[], &json!({})).await else { return };
    let istio = Istio::start(test, namespace).await;
    for policy in ["Never", "IfNeeded"] {
        istio.register(&trial, policy).await;
        istio.until_in_force(&trial, policy).await;
        for native in ["false", "true"] {
            let alone = made(&trial, &pod(&trial, &[], native)).await;
            assert!(sidecar(&alone).is_none());
            for (name, asks) in [
                ("user-assigned", [("inject", "true"), ("profile", "default")]),
                ("user-assigned-container", [("inject", "true"), ("sidecar-mode", "container")]),
                ("workload-identity", [("inject", "true"), ("profile", "federated")]),
            ] {
                let made = made(&trial, &pod(&trial, &asks, native)).await;
                let what = format!("{policy}, {native}, {name}: {made:#}");
                injected::check_anywhere(name, &golden_in_a_mesh(name), &made);
                assert_eq!(names(&made).filter(|one| *one == "prom-remotewrite").count(), 1);
                assert_eq!(rest(&made), rest(&alone), "{what}");
                let (of_both, of_one) = (probers(&made), probers(&alone));
                for (path, probe) in of_one.as_object().unwrap() {
                    assert_eq!(of_both[path], *probe, "{what}");
                }
                assert_eq!(changed_by_another_review(&trial, &made).await, 0, "{what}");
            }
        }
        asked_over_http(&istio, &trial, policy).await;
    }
}

/// Who wants the kubelet to ask over HTTP gets it, through Istio's agent if Istio has seen
/// the probe.
async fn asked_over_http(istio: &Istio, trial: &Trial, policy: &str) {
    let asks = [("inject", "true"), ("liveness-probe", "http")];
    let made = made(trial, &pod(trial, &asks, "true")).await;
    let probe = &sidecar(&made).unwrap().1["livenessProbe"]["httpGet"];
    let is_first = text(&istio.configuration, "/metadata/name") < trial.namespace;
    if is_first && policy == "Never" {
        assert_eq!(probe["port"], "rw-port");
        return;
    }
    assert_eq!(probe["port"], AGENT_PORT, "{made:#}");
    let passed_on = &probers(&made)[text(probe, "/path")]["httpGet"];
    assert_eq!((&passed_on["port"], &passed_on["path"]), (&json!(8081), &json!("/health")));
    assert_eq!(changed_by_another_review(trial, &made).await, 0);
}

#[tokio::test]
#[ignore = "builds Istio's injector: just matrix istio"]
async fn pods_that_come_to_istio_first_have_both_sidecars() {
    let test = "pods_that_come_to_istio_first_have_both_sidecars";
    both_sidecars_are_complete(test, "mesh-first").await;
}

#[tokio::test]
#[ignore = "builds Istio's injector: just matrix istio"]
async fn pods_that_come_to_istio_last_have_both_sidecars() {
    let test = "pods_that_come_to_istio_last_have_both_sidecars";
    both_sidecars_are_complete(test, "a-mesh-last").await;
}
