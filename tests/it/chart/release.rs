//! A release, installed by Helm, with what a node would do for it: certs runs
//! with its own arguments and its own account, and the Secret is delivered to the
//! webhook as the kubelet delivers it.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Secret};
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{
    failure::Outcome,
    kubernetes::control_plane::ControlPlane,
    machine::process::{Process, Program},
    product::binaries,
};

use super::{
    helm::{Helm, chart},
    injected::sidecar,
    objects::{self, of_kind, text},
    serving::Serving,
    trial::{self, eventually},
};

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
    /// The API server.
    pub(crate) plane: &'static ControlPlane,
    chart: TempDir,
    flags: Vec<&'static str>,
    /// The watcher.
    pub(crate) certs: Option<Process>,
    /// The Secret that the webhook mounts.
    pub(crate) mounted: String,
}

impl Release {
    /// Installs the chart and brings its webhook into service. `flags` are
    /// given to Helm each time.
    pub(crate) async fn install(
        test: &str,
        name: &'static str,
        flags: &[&'static str],
    ) -> Option<Self> {
        Self::install_with(test, name, flags, &json!({})).await
    }

    /// The same with these values besides the usual.
    pub(crate) async fn install_with(
        test: &str,
        name: &'static str,
        flags: &[&'static str],
        more: &Value,
    ) -> Option<Self> {
        let (helm, plane) = Helm::with_control_plane(test).await?;
        let helm = helm.for_cluster(plane.kubeconfig());
        let client = plane.client().await.unwrap();
        objects::namespace(&client, name, "restricted").await;
        let values = values(name, &json!({}));
        let rendered = helm.template((name, name), &values, &[]).await.unwrap();
        let config = text(of_kind(&rendered, "ConfigMap"), "/data/config.yaml");
        let serving = Serving::bare(config);
        let chart = redirected(&chart(), &serving.url());
        let flags = flags.to_vec();
        let mounted = format!("{name}-webhook-tls");
        let mut release =
            Self { client, serving, name, helm, plane, chart, flags, certs: None, mounted };
        release.helm("install", more).await;
        release.certs = Some(release.watch(&[]).await);
        release.until_delivered().await;
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

    /// `helm upgrade` with the values of the release, one of them changed.
    pub(crate) async fn reuse_values(&self, change: &str) {
        let chart = show(self.chart.path());
        let arguments = ["upgrade", self.name, &chart, "--reuse-values", "--set", change];
        self.run(&arguments).await.unwrap();
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

    /// Changes where the certificate comes from, as Helm does it except for
    /// cert-manager's resources, whose kinds are not installed.
    pub(crate) async fn change_mode(&mut self, change: &Value) {
        let values = values(self.name, change);
        let rendered = self.helm.template((self.name, self.name), &values, &[]).await.unwrap();
        for object in rendered.iter().filter(|object| !objects::is_hook(object)) {
            let ours = ["Deployment", "Role"].contains(&text(object, "/kind"));
            if ours && text(object, "/metadata/name").ends_with("-certs") {
                objects::apply(&self.client, object).await.unwrap();
            }
        }
        // A rolling update starts the new one first.
        let new = self.watch(&[]).await;
        self.certs = Some(new);
    }

    /// Someone else writes another certificate into the Secret.
    pub(crate) async fn issue_elsewhere(&self) {
        let folder = tempfile::tempdir().unwrap();
        Program::new("the certificate tool", binaries::find(binaries::CERTS).unwrap())
            .args(["issue", "--dns-name", "localhost", "--dns-name"])
            .arg(format!("{}-webhook.{}.svc", self.name, self.name))
            .args(["--dir", &show(folder.path())])
            .run(PATIENCE)
            .await
            .unwrap();
        let file = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": self.mounted, "namespace": self.name},
            "stringData": {
                "ca.crt": file("ca.crt"),
                "tls.crt": file("tls.crt"),
                "tls.key": file("tls.key"),
            },
        });
        objects::apply(&self.client, &secret).await.unwrap();
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

    /// A watcher with the arguments and the account of the Deployment.
    pub(crate) async fn watch(&self, more: &[&str]) -> Process {
        self.program(true, more).await.start().unwrap()
    }

    /// The same, run once to its end, which must be good.
    pub(crate) async fn rotate(&self, more: &[&str]) -> String {
        let mut process = self.program(false, more).await.start().unwrap();
        let status = process.wait(PATIENCE).await.unwrap();
        assert!(status.success(), "{}", process.output());
        process.output()
    }

    async fn program(&self, watch: bool, more: &[&str]) -> Program {
        let deployment = self.deployment().await.unwrap();
        let pod = deployment.spec.unwrap().template.spec.unwrap();
        let account = pod.service_account_name.unwrap();
        let kubeconfig = self.plane.kubeconfig_of(self.name, &account).await.unwrap();
        let arguments = pod.containers[0].args.clone().unwrap().into_iter();
        Program::new("certs", binaries::find(binaries::CERTS).unwrap())
            .args(arguments.filter(|argument| watch || argument != "--watch"))
            .args(["--dns-name", "localhost", "--admin", "127.0.0.1:0"])
            .args(more.iter().copied())
            .env("KUBECONFIG", show(&kubeconfig))
    }

    /// The Deployment of certs, if there is one.
    pub(crate) async fn deployment(&self) -> Option<Deployment> {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), self.name);
        deployments.get_opt(&format!("{}-certs", self.name)).await.unwrap()
    }

    /// The Secret, if it is there.
    pub(crate) async fn secret(&self) -> Option<Secret> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), self.name);
        secrets.get_opt(&self.mounted).await.unwrap()
    }

    /// Puts the Secret where the webhook reads it, all files at once. One that is
    /// gone stays mounted.
    pub(crate) async fn deliver(&self) -> Option<()> {
        let data = self.secret().await?.data?;
        let folder = self.serving.certificate_folder();
        let beside = TempDir::new_in(folder.parent().unwrap()).unwrap().keep();
        for file in ["tls.crt", "tls.key", "ca.crt"] {
            fs::write(
                beside.join(file),
                data.get(file).map(|bytes| &bytes.0[..]).unwrap_or_default(),
            )
            .unwrap();
        }
        let link = beside.with_extension("link");
        symlink(&beside, &link).unwrap();
        fs::rename(&link, &folder).unwrap();
        Some(())
    }

    /// Waits for the Secret as a pod does that mounts it.
    async fn until_delivered(&self) {
        eventually("the Secret", async || self.deliver().await).await;
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

/// A chart, with the webhook's address on loopback, for which cert-manager's certificate is
/// valid as well.
pub(crate) fn redirected(chart: &Path, url: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(chart, folder.path());
    let file = folder.path().join("templates/mutatingwebhookconfiguration.yaml");
    let template = fs::read_to_string(&file).unwrap();
    let (before, service) = template.split_once("      service:\n").unwrap();
    let (_, after) = service.split_once("        port: 443\n").unwrap();
    fs::write(&file, format!("{before}      url: {url}\n{after}")).unwrap();
    let file = folder.path().join("templates/certificates/cert-manager.yaml");
    let template = fs::read_to_string(&file).unwrap();
    let (before, after) = template.split_once("dnsNames: [").unwrap();
    fs::write(&file, format!("{before}dnsNames: [localhost, {after}")).unwrap();
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
