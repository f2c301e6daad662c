//! A namespace with the objects of an installation, each test its own.

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
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    discovery::ApiResource,
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

    /// From now on our webhook is called at `url` for pods of this namespace
    /// that ask for a sidecar.
    pub(super) async fn call_for_pods(&self, url: &str) {
        let mut configuration = self.configurations().get(&self.name).await.unwrap();
        let ours = &mut configuration.webhooks.as_mut().unwrap()[1];
        ours.client_config.service = None;
        ours.client_config.url = Some(url.to_owned());
        ours.failure_policy = Some("Fail".to_owned());
        let rule = json!([{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]);
        ours.rules = serde_json::from_value(rule).unwrap();
        let condition = "has(object.metadata.annotations) && 'prom-remotewrite/inject' in object.metadata.annotations";
        let condition = json!([{"name": "opted-in", "expression": condition}]);
        ours.match_conditions = serde_json::from_value(condition).unwrap();
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

    /// Two webhooks, of which the second is ours. Neither is ever called:
    /// nobody creates what they want to see.
    async fn create_configuration(&self) {
        let webhook = |name: &str| {
            json!({
                "name": name,
                "clientConfig": {"service": {"namespace": self.name, "name": "webhook"}},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.name}},
                "rules": [{"operations": ["CREATE"], "apiGroups": ["example.com"], "apiVersions": ["v1"], "resources": ["nothing"]}],
            })
        };
        let webhooks = [webhook("other.inject.prom-remotewrite"), webhook(WEBHOOK)];
        let labels = json!({"prom-remotewrite/certificates": "rotate"});
        let annotations = json!({"some": "thing"});
        let object = json!({
            "metadata": {"labels": labels, "annotations": annotations},
            "webhooks": webhooks,
        });
        let version = "admissionregistration.k8s.io/v1";
        self.create(version, "MutatingWebhookConfiguration", None, object).await;
    }

    async fn grant(&self, secret_verbs: &[&str], configuration_verbs: &[&str]) {
        let version = "rbac.authorization.k8s.io/v1";
        let allow = |group: &str, resource: &str, name: &str, verbs: &[&str]| json!({"rules": [{"apiGroups": [group], "resources": [resource], "resourceNames": [name], "verbs": verbs}]});
        let role = allow("", "secrets", SECRET, secret_verbs);
        self.create(version, "Role", Some(&self.name), role).await;
        let group = "admissionregistration.k8s.io";
        let role = allow(group, "mutatingwebhookconfigurations", &self.name, configuration_verbs);
        self.create(version, "ClusterRole", None, role).await;
        let subject = json!({"kind": "ServiceAccount", "name": self.name, "namespace": self.name});
        let binding = |kind: &str| {
            let role =
                json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": self.name});
            json!({"roleRef": role, "subjects": [subject.clone()]})
        };
        self.create(version, "RoleBinding", Some(&self.name), binding("Role")).await;
        self.create(version, "ClusterRoleBinding", None, binding("ClusterRole")).await;
        if let Some(verb) = secret_verbs.last() {
            self.effective(json!({"resource": "secrets", "namespace": self.name, "name": SECRET, "verb": verb})).await;
        }
        if let Some(verb) = configuration_verbs.last() {
            self.effective(json!({"group": group, "resource": "mutatingwebhookconfigurations", "name": self.name, "verb": verb})).await;
        }
    }

    /// The API server learns of roles a moment after they were made.
    async fn effective(&self, attributes: Value) {
        let user = format!("system:serviceaccount:{0}:{0}", self.name);
        let review = json!({"spec": {"user": user, "resourceAttributes": attributes}});
        let resource = resource("authorization.k8s.io/v1", "SubjectAccessReview");
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let review = serde_json::from_value(review).unwrap();
        Self::until("a role is effective", async || {
            let answer = api.create(&PostParams::default(), &review).await.unwrap();
            (answer.data["status"]["allowed"] == json!(true)).then_some(())
        })
        .await;
    }

    /// Creates an object of the fixture's name.
    pub(super) async fn create(
        &self,
        version: &str,
        kind: &str,
        namespace: Option<&str>,
        mut object: Value,
    ) {
        object["metadata"]["name"] = json!(self.name);
        let resource = resource(version, kind);
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let object = serde_json::from_value(object).unwrap();
        api.create(&PostParams::default(), &object).await.unwrap();
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.name)
    }

    fn configurations(&self) -> Api<MutatingWebhookConfiguration> {
        Api::all(self.client.clone())
    }
}

fn resource(version: &str, kind: &str) -> ApiResource {
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let kind = kube::core::GroupVersionKind::gvk(group, version, kind);
    ApiResource::from_gvk(&kind)
}
