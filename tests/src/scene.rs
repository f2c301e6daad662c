//! The scene that most runs share: an Azure with a managed identity and an
//! application, a data collection rule for each, and the webhook's
//! configuration and annotated pods to match.

use serde_json::{Value, json};

use crate::{
    azure::{Application, Azure, Principal, Rule, Setup},
    failure::{Context, Outcome},
    keys::authority::ApplicationCertificate,
    kubernetes::kubelet::{Files, Kubelet},
    machine::environment,
};

/// The `external_labels` value that every sample carries.
pub const CLUSTER: &str = "demo-cluster";

const TRUST_MAP: &str = "azure-trust";
const TRUST_KEY: &str = "ca.crt";
const CLASS: &str = "azure-kv-prometheus";
const CERTIFICATE: &str = "prometheus-cert";

/// One way to be someone.
#[derive(Clone, Debug)]
pub struct Role {
    /// For people.
    pub name: &'static str,
    /// The webhook's profile.
    pub profile: &'static str,
    /// Who it is.
    pub principal: Principal,
    /// The rule to which it may write, and no one else.
    pub rule: String,
}

/// Azure and a node.
pub struct Scene {
    /// The stand-in.
    pub azure: Azure,
    /// The node.
    pub kubelet: Kubelet,
    /// A managed identity.
    pub identity: Role,
    /// An application with a certificate.
    pub application: Role,
    /// The application's certificate.
    pub certificate: ApplicationCertificate,
}

impl Scene {
    /// Starts the stand-in and registers everything.
    pub async fn new() -> Outcome<Self> {
        let (identity, application) = (Principal::new(), Principal::new());
        let rules = [Rule::new([&identity.client_id]), Rule::new([&application.client_id])];
        let role = |name, profile, principal: &Principal, rule: &Rule| Role {
            name,
            profile,
            principal: principal.clone(),
            rule: rule.id.clone(),
        };
        let [first, second] = &rules;
        let identity_role = role("managed identity", "managed-identity", &identity, first);
        let application_role = role("application", "application", &application, second);
        let certificate = ApplicationCertificate::new("prometheus")?;
        let setup = Setup {
            identities: vec![identity],
            applications: vec![Application {
                principal: application,
                certificates: vec![certificate.der().to_vec()],
                ..Application::default()
            }],
            rules: rules.into(),
            ..Setup::default()
        };
        let azure = Azure::start(setup).await?;
        let mut kubelet = Kubelet::default();
        let trust = Files::from([(TRUST_KEY.to_owned(), azure.trust().into_bytes())]);
        kubelet.config_maps.insert(TRUST_MAP.to_owned(), trust);
        let vault = Files::from([(CERTIFICATE.to_owned(), certificate.pfx()?)]);
        kubelet.provider_classes.insert(CLASS.to_owned(), vault);
        Ok(Self {
            azure,
            kubelet,
            identity: identity_role,
            application: application_role,
            certificate,
        })
    }

    /// Both roles.
    pub fn roles(&self) -> [&Role; 2] {
        [&self.identity, &self.application]
    }

    /// The webhook's configuration, as the chart would render it.
    pub fn configuration(&self) -> Value {
        let trust = json!({"name": TRUST_MAP, "key": TRUST_KEY});
        json!({
            "image": "ghcr.io/example/prom-remotewrite:1.0.0",
            "profiles": {
                self.identity.profile: {
                    "ingestionUrl": self.azure.ingestion_url(&self.identity.rule),
                    "identityType": "userAssigned",
                    "clientId": self.identity.principal.client_id,
                    "podIdentityAuthorityHost": self.azure.metadata_host(),
                    "trustConfigMap": trust,
                    "cluster": CLUSTER,
                },
                self.application.profile: {
                    "ingestionUrl": self.azure.ingestion_url(&self.application.rule),
                    "identityType": "aadApplication",
                    "clientId": self.application.principal.client_id,
                    "tenantId": self.azure.tenant(),
                    "secretProviderClass": CLASS,
                    "certificateName": CERTIFICATE,
                    "authorityHost": self.azure.authority_host(),
                    "trustConfigMap": trust,
                    "cluster": CLUSTER,
                },
            },
        })
    }

    /// The pod that kube-prometheus-stack's `StatefulSet` creates, asking for a
    /// sidecar with this role on this port.
    pub fn pod(role: &Role, port: u16) -> Outcome<Value> {
        Self::asking(role.profile, port)
    }

    /// The same pod with a sidecar that writes as both roles: the first is its unnamed
    /// destination, the second one of its profile's name.
    pub fn pod_of_both(&self, port: u16) -> Outcome<Value> {
        let profiles = self.roles().map(|role| role.profile);
        Self::asking(&profiles.join(","), port)
    }

    fn asking(profiles: &str, port: u16) -> Outcome<Value> {
        let mut pod = prometheus_pod()?;
        let annotations = pod
            .pointer_mut("/metadata/annotations")
            .and_then(Value::as_object_mut)
            .context("annotate the pod")?;
        for (name, value) in [
            (contract::annotations::INJECT, "true".to_owned()),
            (contract::annotations::PROFILE, profiles.to_owned()),
            ("prom-remotewrite/listening-port", port.to_string()),
        ] {
            annotations.insert(name.to_owned(), value.into());
        }
        Ok(pod)
    }
}

/// The pod as a real API server made it, without an annotation of ours.
pub fn prometheus_pod() -> Outcome<Value> {
    let file = environment::crate_folder().join("data/kube-prometheus-stack-88.5.3-pod.json");
    let text = std::fs::read(&file).context(format!("read {}", file.display()))?;
    serde_json::from_slice(&text).context(format!("read {}", file.display()))
}
