//! A namespace with the chart's own objects, as far as certs has to do with
//! them; each test has its own.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use certs::{
    bundle::Bundle,
    rotate::{
        cluster::{Cluster, Target},
        observed::Observed,
    },
};
use k8s_openapi::ByteString;
use k8s_openapi::api::{
    admissionregistration::v1::MutatingWebhookConfiguration,
    core::v1::{Secret, ServiceAccount},
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tests::{
    kubernetes::control_plane::ControlPlane,
    machine::process::{Process, Program},
    product::binaries,
};

use crate::chart::{
    helm::Helm,
    objects::{self, of_kind, text},
    trial,
};

const PATIENCE: Duration = Duration::from_secs(60);
/// The kinds of which the chart's objects are installed here.
const KINDS: [&str; 6] = [
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "MutatingWebhookConfiguration",
];

/// An installation without pods.
pub(crate) struct Fixture {
    pub(crate) client: Client,
    /// Of the namespace, the release, the configuration.
    pub(crate) name: String,
    rendered: Vec<Value>,
    kubeconfig: PathBuf,
    plane: &'static ControlPlane,
}

/// An installation for `test`, where there are a control plane and Helm.
pub(crate) async fn fixture(test: &str) -> Option<Fixture> {
    fixture_of(test, &json!({})).await
}

/// The same, with these values of `certificates`.
pub(crate) async fn fixture_of(test: &str, certificates: &Value) -> Option<Fixture> {
    let (helm, plane) = Helm::with_control_plane(test).await?;
    let name = test.replace('_', "-");
    let client = plane.client().await.unwrap();
    objects::namespace(&client, &name, "restricted").await;
    let mut values = trial::values(&name, &[], &json!({}));
    values["certificates"] = certificates.clone();
    let rendered = helm.template((&name, &name), &values, &[]).await.unwrap();
    let mut fixture = Fixture { client, name, rendered, kubeconfig: PathBuf::new(), plane };
    for object in &fixture.rendered {
        if KINDS.contains(&text(object, "/kind")) && !objects::is_hook(object) {
            objects::apply(&fixture.client, object).await.unwrap();
        }
    }
    let account = format!("{}-certs", fixture.name);
    fixture.kubeconfig = plane.kubeconfig_of(&fixture.name, &account).await.unwrap();
    Some(fixture)
}

impl Fixture {
    /// The name under which the API server would call the webhook.
    pub(crate) fn dns_name(&self) -> String {
        format!("{}-webhook.{}.svc", self.name, self.name)
    }

    /// The kubeconfig of certs.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The API server's address.
    pub(crate) fn server(&self) -> &str {
        self.plane.server()
    }

    fn secret_name(&self) -> String {
        format!("{}-webhook-tls", self.name)
    }

    /// certs with the Deployment's arguments, short waits and `more` arguments,
    /// which win.
    pub(crate) fn program(&self, watch: bool, more: &[&str]) -> Program {
        let deployments = self.rendered.iter().filter(|object| object["kind"] == "Deployment");
        let certs = format!("{}-certs", self.name);
        let deployment = deployments.into_iter().find(|one| text(one, "/metadata/name") == certs);
        let arguments = &deployment.unwrap()["spec"]["template"]["spec"]["containers"][0]["args"];
        let arguments = arguments.as_array().unwrap().iter().map(|one| one.as_str().unwrap());
        Program::new("certs", binaries::find(binaries::CERTS).unwrap())
            .args(arguments.filter(|argument| watch || *argument != "--watch"))
            .args(["--settle", "300ms", "--admin", "127.0.0.1:0"])
            .args(more.iter().copied())
            .env("KUBECONFIG", self.kubeconfig.display().to_string())
    }

    /// A watcher.
    pub(crate) fn watch(&self, more: &[&str]) -> Process {
        self.program(true, more).start().unwrap()
    }

    /// A single run that ends well, and its output.
    pub(crate) async fn rotate(&self, more: &[&str]) -> String {
        self.ended(more, 0).await
    }

    /// A single run that ends with `code`, and its output.
    pub(crate) async fn ended(&self, more: &[&str], code: i32) -> String {
        let mut process = self.program(false, more).start().unwrap();
        let status = process.wait(PATIENCE).await.unwrap();
        assert_eq!(status.code(), Some(code), "{}", process.output());
        process.output()
    }

    /// Access to both objects as the program has it, but an administrator's.
    pub(crate) fn cluster(&self) -> Cluster {
        let target = Target {
            namespace: self.name.clone(),
            secret: self.secret_name(),
            configuration: self.name.clone(),
            webhook: "pods.inject.prom-remotewrite".to_owned(),
            owner: Some(format!("{}-certs", self.name)),
        };
        Cluster::new(self.client.clone(), target)
    }

    /// Both objects, as the program sees them.
    pub(crate) async fn state(&self) -> Observed {
        self.cluster().observe().await.unwrap().observed
    }

    /// The CAs that the API server trusts.
    pub(crate) async fn bundle(&self) -> Bundle {
        self.state().await.trust.unwrap_or_default().bundle
    }

    /// The CA of the pair in the Secret, if that is usable and trusted.
    pub(crate) async fn trusted(&self) -> Option<Bundle> {
        let state = self.state().await;
        let pair = state.current.ok()?;
        let ca = Bundle::parse(&pair.pem().ca);
        let is_named = pair.missing(&[self.dns_name()]).is_none();
        (is_named && state.trust?.bundle.includes(&ca)).then_some(ca)
    }

    /// The Secret as the API server shows it; null if there is none.
    pub(crate) async fn secret(&self) -> Value {
        let secret = self.secrets().get_opt(&self.secret_name()).await.unwrap();
        serde_json::to_value(secret).unwrap()
    }

    pub(crate) async fn configuration(&self) -> Value {
        serde_json::to_value(self.configurations().get(&self.name).await.unwrap()).unwrap()
    }

    pub(crate) async fn patch_secret(&self, patch: &Value) {
        let params = PatchParams::default();
        self.secrets().patch(&self.secret_name(), &params, &Patch::Merge(patch)).await.unwrap();
    }

    /// Replaces the Secret by another one of this name.
    pub(crate) async fn replace_secret(&self, secret: Value) {
        let mut secret = secret;
        secret["metadata"]["name"] = json!(self.secret_name());
        let secret: Secret = serde_json::from_value(secret).unwrap();
        // The watcher may be faster.
        Self::until("the Secret is another", async || {
            self.delete_secret().await;
            self.secrets().create(&PostParams::default(), &secret).await.ok()
        })
        .await;
    }

    /// Sets the bundle as `kubectl edit` would.
    pub(crate) async fn set_bundle(&self, text: &str) {
        let params = PostParams::default();
        // The watcher may be faster.
        Self::until("the bundle is another", async || {
            let mut configuration = self.configurations().get(&self.name).await.unwrap();
            let ours = &mut configuration.webhooks.as_mut().unwrap()[0];
            ours.client_config.ca_bundle = Some(ByteString(text.as_bytes().to_vec()));
            self.configurations().replace(&self.name, &params, &configuration).await.ok()
        })
        .await;
    }

    pub(crate) async fn delete_secret(&self) {
        // Someone else may have done so.
        let _gone = self.secrets().delete(&self.secret_name(), &DeleteParams::default()).await;
    }

    pub(crate) async fn delete_configuration(&self) {
        let _gone = self.configurations().delete(&self.name, &DeleteParams::default()).await;
    }

    /// As the chart renders it, without a bundle.
    pub(crate) async fn create_configuration(&self) {
        let object = of_kind(&self.rendered, "MutatingWebhookConfiguration");
        objects::apply(&self.client, object).await.unwrap();
    }

    pub(crate) async fn uid_of_account(&self, name: &str) -> String {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &self.name);
        accounts.get(name).await.unwrap().metadata.uid.unwrap()
    }

    /// As `helm uninstall` does it.
    pub(crate) async fn delete_account(&self) {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &self.name);
        let name = format!("{}-certs", self.name);
        accounts.delete(&name, &DeleteParams::default()).await.unwrap();
    }

    /// Asks for up to a minute until `probe` has an answer.
    pub(crate) async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
        for _ in 0..600 {
            if let Some(answer) = probe().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("waited in vain until {what}");
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.name)
    }

    fn configurations(&self) -> Api<MutatingWebhookConfiguration> {
        Api::all(self.client.clone())
    }
}
