//! A release, installed by Helm, with what a node would do for it: the
//! certificate job is run with its own arguments and its own account, and the
//! Secret is delivered to the webhook as the kubelet delivers it.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use k8s_openapi::api::{batch::v1::Job, core::v1::Secret};
use kube::{Api, Client, api::ListParams};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{
    binaries,
    control_plane::ControlPlane,
    failure::Outcome,
    process::{Process, Program},
};

use super::{
    helm::{Helm, chart},
    injected::sidecar,
    objects::{self, of_kind, text},
    serving::Serving,
    trial::{self, eventually},
};
use crate::cluster::control_plane;

/// A rotation takes as long as values say, which here is seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// A release and its webhook.
pub(crate) struct Release {
    /// An administrator's.
    pub(crate) client: Client,
    /// The webhook.
    pub(crate) serving: Serving,
    /// Its name, and that of its namespace.
    pub(crate) name: &'static str,
    helm: Helm,
    plane: &'static ControlPlane,
    chart: TempDir,
    flags: Vec<&'static str>,
}

impl Release {
    /// Installs the chart and brings its webhook into service. `flags` are
    /// given to Helm each time.
    pub(crate) async fn install(
        test: &str,
        name: &'static str,
        flags: &[&'static str],
    ) -> Option<Self> {
        let (helm, plane) = (Helm::find(test)?, control_plane(test).await?);
        let helm = helm.for_cluster(plane.kubeconfig());
        let client = plane.client().await.unwrap();
        objects::namespace(&client, name, "restricted").await;
        let values = values(name, &json!({}));
        let rendered = helm.template((name, name), &values, &[]).await.unwrap();
        let config = text(of_kind(&rendered, "ConfigMap"), "/data/config.yaml");
        let serving = Serving::bare(config);
        let chart = redirected(&serving.url());
        let mut release = Self { client, serving, name, helm, plane, chart, flags: flags.to_vec() };
        release.helm("install", &json!({})).await;
        release.rotate(&[]).await;
        release.deliver().await;
        release.serving.start().await;
        Some(release)
    }

    /// API servers hear of a new bundle a moment after it is written.
    pub(crate) async fn until_trusted(&self) {
        let pod = self.pod(&[("inject", "true")]);
        eventually("API server trusts the webhook", async || {
            let pod = objects::apply_dry(&self.client, &pod).await.ok()?;
            sidecar(&pod).map(|_| ())
        })
        .await;
    }

    /// `helm install` or `helm upgrade`, with values besides the usual.
    pub(crate) async fn helm(&self, verb: &str, more: &Value) {
        self.try_helm(&[verb], more).await.unwrap();
    }

    /// The same, which may fail.
    pub(crate) async fn try_helm(&self, verb: &[&str], more: &Value) -> Outcome<()> {
        let values = self.helm.values(&values(self.name, more))?;
        let (chart, values) = (show(self.chart.path()), show(&values));
        self.run(&[verb, &[self.name, &chart, "--values", &values]].concat()).await
    }

    /// Helm for this release.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Outcome<()> {
        let namespace = ["--namespace", self.name];
        self.helm.run(&[arguments, &namespace, &self.flags].concat()).await.map(|_| ())
    }

    /// `helm uninstall`, which knows nothing of merging.
    pub(crate) async fn uninstall(&self) {
        self.helm.run(&["uninstall", self.name, "--namespace", self.name]).await.unwrap();
    }

    /// All that the chart renders for it.
    pub(crate) async fn rendered(&self) -> Vec<Value> {
        let values = values(self.name, &json!({}));
        self.helm.template((self.name, self.name), &values, &[]).await.unwrap()
    }

    /// What of the release is still there, by kind and name.
    pub(crate) async fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for object in self.rendered().await {
            let name = text(&object, "/metadata/name");
            if objects::api(&self.client, &object).get_opt(name).await.unwrap().is_some() {
                left.push(format!("{} {name}", text(&object, "/kind")));
            }
        }
        left
    }

    /// The certificate job, started.
    pub(crate) async fn start_rotation(&self, more: &[&str]) -> Process {
        let jobs = self.jobs().await;
        let spec = jobs.first().and_then(|job| job.spec.clone()).unwrap();
        let pod = spec.template.spec.unwrap();
        let account = pod.service_account_name.unwrap();
        let kubeconfig = self.plane.kubeconfig_of(self.name, &account).await.unwrap();
        Program::new("the certificate job", binaries::find(binaries::CERTS).unwrap())
            .args(pod.containers[0].args.clone().unwrap())
            .args(["--dns-name", "localhost"])
            .args(more.iter().copied())
            .env("KUBECONFIG", show(&kubeconfig))
            .start()
            .unwrap()
    }

    /// The certificate job, run to its end, which must be good.
    pub(crate) async fn rotate(&self, more: &[&str]) -> String {
        let mut job = self.start_rotation(more).await;
        let status = job.wait(PATIENCE).await.unwrap();
        assert!(status.success(), "{}", job.output());
        job.output()
    }

    /// The release's Jobs: one, whatever has happened to it before.
    pub(crate) async fn jobs(&self) -> Vec<Job> {
        let jobs: Api<Job> = Api::namespaced(self.client.clone(), self.name);
        jobs.list(&ListParams::default()).await.unwrap().items
    }

    /// The Secret, if it is there.
    pub(crate) async fn secret(&self) -> Option<Secret> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), self.name);
        secrets.get_opt(&format!("{}-webhook-tls", self.name)).await.unwrap()
    }

    /// Puts the Secret where the webhook reads it, all files at once.
    pub(crate) async fn deliver(&self) {
        let data = self.secret().await.unwrap().data.unwrap();
        let folder = self.serving.certificate_folder();
        let beside = TempDir::new_in(folder.parent().unwrap()).unwrap().keep();
        for file in ["tls.crt", "tls.key", "ca.crt"] {
            fs::write(beside.join(file), &data[file].0).unwrap();
        }
        let link = beside.with_extension("link");
        symlink(&beside, &link).unwrap();
        fs::rename(&link, &folder).unwrap();
    }

    /// The webhook configuration, if it is there.
    pub(crate) async fn configuration(&self) -> Option<Value> {
        let kind = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
        });
        let found = objects::api(&self.client, &kind).get_opt(self.name).await.unwrap()?;
        Some(serde_json::to_value(found).unwrap())
    }

    /// A pod that asks, or doesn't.
    pub(crate) fn pod(&self, annotations: &[(&str, &str)]) -> Value {
        trial::pod(self.name, "one", annotations)
    }
}

/// The times of a rotation, which usually are minutes and hours, are seconds.
fn values(name: &str, more: &Value) -> Value {
    let mut values = trial::values(name, &[], &json!({}));
    values["certificates"] = json!({"rotate": {"settle": "2s", "overlap": "6s"}});
    json_patch::merge(&mut values, more);
    values
}

/// The chart, with the webhook's address on loopback.
fn redirected(url: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&chart(), folder.path());
    let file = folder.path().join("templates/mutatingwebhookconfiguration.yaml");
    let template = fs::read_to_string(&file).unwrap();
    let (before, service) = template.split_once("      service:\n").unwrap();
    let (_, after) = service.split_once("        port: 443\n").unwrap();
    fs::write(&file, format!("{before}      url: {url}\n{after}")).unwrap();
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
