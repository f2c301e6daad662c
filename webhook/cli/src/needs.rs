//! What an injected pod needs in its namespace, and whether what is there will
//! do. A name that is wrong here leaves Prometheus in `ContainerCreating`, and
//! nobody says so but an event.

pub mod lookup;
#[cfg(test)]
mod tests;

use contract::{Identity, did_you_mean};
use serde_json::Value;
use webhook::{
    effective::{CertificateSource, Effective},
    inject,
    pod::Pod,
};

use crate::identity_webhook;

/// An object that the pod needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Which kind of object.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The file or keys that it must deliver, or the client id that it should
    /// be annotated with.
    wanted: Vec<String>,
}

/// The kinds of objects that pods need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of the Secrets Store CSI driver.
    SecretProviderClass,
    /// With the certificate.
    Secret,
    /// With trusted roots.
    ConfigMap,
    /// Whose token is federated.
    ServiceAccount,
    /// That images are pulled with.
    PullSecret,
}

impl Kind {
    /// As Kubernetes writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SecretProviderClass => "SecretProviderClass",
            Self::Secret | Self::PullSecret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::ServiceAccount => "ServiceAccount",
        }
    }

    /// Where the API server has such objects, below a namespace.
    pub const fn path(self) -> (&'static str, &'static str) {
        match self {
            Self::SecretProviderClass => {
                ("/apis/secrets-store.csi.x-k8s.io/v1", "secretproviderclasses")
            }
            Self::Secret | Self::PullSecret => ("/api/v1", "secrets"),
            Self::ConfigMap => ("/api/v1", "configmaps"),
            Self::ServiceAccount => ("/api/v1", "serviceaccounts"),
        }
    }
}

/// Whether what is there will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It will.
    Good,
    /// It may not.
    Doubtful(String),
    /// The pod will not start, or its sidecar will not get a token.
    Bad(String),
}

/// Everything that `pod` will need besides what it has.
pub fn needs(effective: &Effective, pod: Pod<'_>) -> Vec<Need> {
    let need = |kind, name: &str, wanted| Need { kind, name: name.to_owned(), wanted };
    let mut needs = Vec::new();
    match (&effective.certificate, &effective.settings.identity) {
        (Some(CertificateSource::Csi(class)), identity) => {
            needs.push(need(Kind::SecretProviderClass, class.as_str(), file(effective, identity)));
        }
        (Some(CertificateSource::Secret(secret)), identity) => {
            let mut keys = file(effective, identity);
            if keys.first().is_some_and(|name| name == "tls.crt") {
                keys.push("tls.key".to_owned());
            }
            needs.push(need(Kind::Secret, secret.as_str(), keys));
        }
        (None, Identity::WorkloadIdentity { client_id, .. }) => {
            let account = pod.service_account();
            // Where azure-workload-identity provides it, the account has to say it.
            let wanted = Some(client_id.to_string()).filter(|id| id != identity_webhook::SOMEBODY);
            needs.push(need(Kind::ServiceAccount, account, wanted.into_iter().collect()));
        }
        (None, _) => {}
    }
    if let Some(trust) = &effective.trust {
        needs.push(need(Kind::ConfigMap, trust.name.as_str(), vec![trust.key.to_string()]));
    }
    let secrets = effective.image_pull_secrets.iter();
    needs.extend(secrets.map(|secret| need(Kind::PullSecret, secret.as_str(), Vec::new())));
    needs
}

fn file(effective: &Effective, identity: &Identity) -> Vec<String> {
    inject::certificate_file(effective, identity).into_iter().collect()
}

impl Need {
    /// Judges what the API server has by this name.
    pub fn judge(&self, found: Option<&Value>) -> Verdict {
        let Some(found) = found else { return self.missing() };
        match self.kind {
            Kind::SecretProviderClass => self.judge_class(found),
            Kind::Secret => self.judge_keys(found, &["data"]),
            Kind::ConfigMap => self.judge_keys(found, &["data", "binaryData"]),
            Kind::ServiceAccount => self.judge_account(found),
            Kind::PullSecret => Verdict::Good,
        }
    }

    fn missing(&self) -> Verdict {
        match self.kind {
            Kind::PullSecret => Verdict::Doubtful(
                "is not there: if the image needs it, it will not be pulled".to_owned(),
            ),
            Kind::ServiceAccount => {
                Verdict::Bad("is not there: the pod will not be created".to_owned())
            }
            Kind::SecretProviderClass => Verdict::Bad(
                "is not there, or the Secrets Store CSI driver is not installed: the pod will stay in ContainerCreating"
                    .to_owned(),
            ),
            Kind::Secret | Kind::ConfigMap => {
                Verdict::Bad("is not there: the pod will stay in ContainerCreating".to_owned())
            }
        }
    }

    fn judge_keys(&self, found: &Value, fields: &[&str]) -> Verdict {
        let maps = fields.iter().filter_map(|field| found.get(field)?.as_object());
        let keys: Vec<&str> = maps.flatten().map(|(key, _)| key.as_str()).collect();
        match self.wanted.iter().find(|wanted| !keys.contains(&wanted.as_str())) {
            None => Verdict::Good,
            Some(wanted) => Verdict::Bad(lacks("key", wanted, &keys)),
        }
    }

    /// The class names its files in YAML within YAML.
    fn judge_class(&self, found: &Value) -> Verdict {
        let text = |path| found.pointer(path).and_then(Value::as_str);
        if text("/spec/provider") != Some("azure") {
            return Verdict::Doubtful("is not of the provider azure".to_owned());
        }
        let Some(objects) = text("/spec/parameters/objects").and_then(objects) else {
            return Verdict::Bad("has no readable spec.parameters.objects".to_owned());
        };
        let Some(wanted) = self.wanted.first() else { return Verdict::Good };
        let Some(object) = objects.iter().find(|object| &object.file == wanted) else {
            let files: Vec<&str> = objects.iter().map(|object| object.file.as_str()).collect();
            return Verdict::Bad(lacks("file", wanted, &files));
        };
        if object.kind == "secret" {
            return Verdict::Good;
        }
        Verdict::Bad(format!(
            "delivers {wanted:?} as objectType {:?}, which is only a part of it: a certificate with its key is objectType secret",
            object.kind
        ))
    }

    fn judge_account(&self, found: &Value) -> Verdict {
        let annotation = "azure.workload.identity/client-id";
        let annotations = found.pointer("/metadata/annotations");
        let said = annotations.and_then(|map| map.get(annotation)?.as_str());
        match (said, self.wanted.first()) {
            (Some(said), Some(wanted)) if !said.eq_ignore_ascii_case(wanted) => Verdict::Doubtful(
                format!("is annotated with the client id {said}; the sidecar uses {wanted}"),
            ),
            (None, None) => Verdict::Bad(format!(
                "has no annotation {annotation}, from which the sidecar's client id has to come"
            )),
            _ => Verdict::Good,
        }
    }
}

/// A file that a class delivers.
struct Object {
    file: String,
    kind: String,
}

/// <https://azure.github.io/secrets-store-csi-driver-provider-azure/docs/getting-started/usage/>
fn objects(yaml: &str) -> Option<Vec<Object>> {
    let list: Value = serde_saphyr::from_str(yaml).ok()?;
    let items = list.get("array")?.as_array()?;
    items
        .iter()
        .map(|item| {
            let object: Value = serde_saphyr::from_str(item.as_str()?).ok()?;
            let text =
                |key: &str| object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
            let file = text("objectAlias").or_else(|| text("objectName"))?.to_owned();
            Some(Object { file, kind: text("objectType")?.to_owned() })
        })
        .collect()
}

fn lacks(what: &str, wanted: &str, have: &[&str]) -> String {
    let list = if have.is_empty() { "none".to_owned() } else { have.join(", ") };
    let suggestion = did_you_mean(wanted, have.iter().copied());
    let suggestion = suggestion.map(|name| format!(" (did you mean {name:?}?)"));
    format!("has no {what} {wanted:?}, but {list}{}", suggestion.unwrap_or_default())
}
