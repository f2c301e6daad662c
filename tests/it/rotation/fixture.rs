//! A namespace with the objects of an installation, each test its own.

mod install;

use std::{path::PathBuf, time::Duration};

use certs::{
    bundle::Bundle,
    rotate::{
        cluster::{Cluster, Target},
        observed::Observed,
    },
};
use k8s_openapi::api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Secret};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tests::{binaries, control_plane::ControlPlane, process::Program};

use crate::cluster::control_plane;

const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "webhook-tls";
pub(super) const WEBHOOK: &str = "pods.inject.prom-remotewrite";

/// An installation without pods.
pub(super) struct Fixture {
    pub(super) plane: &'static ControlPlane,
    pub(super) client: Client,
    /// Of the namespace, the configuration, the roles.
    pub(super) name: String,
    kubeconfig: PathBuf,
}

/// Permissions as the chart grants them: on the Secret and the configuration.
pub(super) const SECRET_VERBS: &[&str] = &["get", "patch", "create"];
pub(super) const CONFIGURATION_VERBS: &[&str] = &["get", "patch"];

/// An installation for `test`, where there is a control plane.
pub(super) async fn fixture(test: &str) -> Option<Fixture> {
    let plane = control_plane(test).await?;
    Some(Fixture::new(plane, test, SECRET_VERBS, CONFIGURATION_VERBS).await)
}

impl Fixture {
    pub(super) async fn new(
        plane: &'static ControlPlane,
        test: &str,
        secret_verbs: &[&str],
        configuration_verbs: &[&str],
    ) -> Self {
        let name = test.replace('_', "-");
        let client = plane.client().await.unwrap();
        let fixture = Self { plane, client, kubeconfig: PathBuf::new(), name };
        fixture.create("v1", "Namespace", None, json!({})).await;
        fixture.create("v1", "ServiceAccount", Some(&fixture.name), json!({})).await;
        fixture.create_configuration().await;
        fixture.grant(secret_verbs, configuration_verbs).await;
        let kubeconfig = plane.kubeconfig_of(&fixture.name, &fixture.name).await.unwrap();
        Self { kubeconfig, ..fixture }
    }

    /// The name under which the API server would call the webhook.
    pub(super) fn dns_name(&self) -> String {
        format!("webhook.{}.svc", self.name)
    }

    /// A run with short waits and `more` arguments, which win.
    pub(super) fn program(&self, more: &[&str]) -> Program {
        let certs = binaries::find(binaries::CERTS).unwrap();
        let dns_name = self.dns_name();
        let usual = [
            ["--namespace", &self.name],
            ["--secret", SECRET],
            ["--configuration", &self.name],
            ["--webhook", WEBHOOK],
            ["--dns-name", &dns_name],
            ["--settle", "300ms"],
        ];
        let usual = usual.iter().filter(|[name, _]| !more.contains(name));
        Program::new("the certificate job", certs)
            .arg("rotate")
            .args(usual.flatten().copied())
            .args(more.iter().copied())
            .env("KUBECONFIG", self.kubeconfig.display().to_string())
    }

    /// A run that ends well, and what it said.
    pub(super) async fn rotate(&self, more: &[&str]) -> String {
        self.ended(more, 0).await
    }

    /// A run that ends with `code`, and what it said.
    pub(super) async fn refused(&self, more: &[&str], code: i32) -> String {
        self.ended(more, code).await
    }

    async fn ended(&self, more: &[&str], code: i32) -> String {
        let mut process = self.program(more).start().unwrap();
        let status = process.wait(PATIENCE).await.unwrap();
        assert_eq!(status.code(), Some(code), "{}", process.output());
        process.output()
    }

    /// Access to both objects as the program has it, but an administrator's.
    pub(super) fn cluster(&self) -> Cluster {
        let target = Target {
            namespace: self.name.clone(),
            secret: SECRET.to_owned(),
            configuration: self.name.clone(),
            webhook: WEBHOOK.to_owned(),
        };
        Cluster::new(self.client.clone(), target)
    }

    /// Both objects, as the program sees them.
    pub(super) async fn state(&self) -> Observed {
        self.cluster().observe().await.unwrap().observed
    }

    pub(super) async fn bundle(&self) -> Bundle {
        self.state().await.bundle
    }

    /// The Secret as the API server shows it; null if there is none.
    pub(super) async fn secret(&self) -> Value {
        serde_json::to_value(self.secrets().get_opt(SECRET).await.unwrap()).unwrap()
    }

    pub(super) async fn configuration(&self) -> Value {
        serde_json::to_value(self.configurations().get(&self.name).await.unwrap()).unwrap()
    }

    pub(super) async fn patch_secret(&self, patch: &Value) {
        let params = PatchParams::default();
        self.secrets().patch(SECRET, &params, &Patch::Merge(patch)).await.unwrap();
    }

    pub(super) async fn patch_configuration(&self, patch: &Value) {
        let params = PatchParams::default();
        self.configurations().patch(&self.name, &params, &Patch::Merge(patch)).await.unwrap();
    }

    pub(super) async fn set_bundle(&self, text: &str) {
        let mut configuration = self.configurations().get(&self.name).await.unwrap();
        let ours = &mut configuration.webhooks.as_mut().unwrap()[1];
        ours.client_config.ca_bundle = Some(k8s_openapi::ByteString(text.as_bytes().to_vec()));
        let params = PostParams::default();
        self.configurations().replace(&self.name, &params, &configuration).await.unwrap();
    }

    pub(super) async fn delete_secret(&self) {
        self.secrets().delete(SECRET, &DeleteParams::default()).await.unwrap();
    }

    pub(super) async fn delete_configuration(&self) {
        self.configurations().delete(&self.name, &DeleteParams::default()).await.unwrap();
    }

    pub(super) async fn recreate_configuration(&self) {
        self.delete_configuration().await;
        self.create_configuration().await;
    }

    /// Asks for up to a minute until `probe` has an answer.
    pub(super) async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
        for _ in 0..600 {
            if let Some(answer) = probe().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it did not come to pass that {what}");
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.name)
    }

    fn configurations(&self) -> Api<MutatingWebhookConfiguration> {
        Api::all(self.client.clone())
    }
}
