//! Objects that an injected pod needs in its namespace, and whether they fit. A name that
//! is wrong here leaves Prometheus in `ContainerCreating`, and only an event shows it.

pub mod lookup;
#[cfg(test)]
mod tests;

use contract::{Identity, did_you_mean};
use serde_json::Value;
use webhook::{
    effective::{CertificateSource, Effective},
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
    /// The files or keys that it must deliver, or the client ids with one of which it
    /// should be annotated.
    expected: Vec<String>,
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

/// Whether the existing object fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It will.
    Good,
    /// It may not.
    Doubtful(String),
    /// The pod will not start, or its sidecar will not get a token.
    Bad(String),
}

/// Everything that `pod` will need besides what it has.
pub fn needs(effective: &Effective, pod: Pod<'_>) -> Vec<Need> {
    let mut needs = Vec::new();
    let mut need = |kind, name: &str, expected: Vec<String>| add(&mut needs, kind, name, expected);
    for destination in effective.destinations() {
        let file = Vec::from_iter(destination.certificate_file());
        match (destination.certificate, &destination.settings.identity) {
            (Some(CertificateSource::Csi(class)), _) => {
                need(Kind::SecretProviderClass, class.as_str(), file);
            }
            (Some(CertificateSource::Secret(secret)), _) => {
                let mut keys = file;
                if keys.first().is_some_and(|name| name == "tls.crt") {
                    keys.push("tls.key".to_owned());
                }
                need(Kind::Secret, secret.as_str(), keys);
            }
            (None, Identity::WorkloadIdentity { client_id, .. }) => {
                // Where azure-workload-identity provides it, the account must have it.
                let expected =
                    Some(client_id.to_string()).filter(|id| id != identity_webhook::SOMEBODY);
                need(Kind::ServiceAccount, pod.service_account(), Vec::from_iter(expected));
            }
            (None, _) => {}
        }
    }
    if let Some(trust) = &effective.trust {
        need(Kind::ConfigMap, trust.name.as_str(), vec![trust.key.to_string()]);
    }
    for secret in &effective.image_pull_secrets {
        need(Kind::PullSecret, secret.as_str(), Vec::new());
    }
    needs
}

/// Several destinations may need something of one object.
fn add(needs: &mut Vec<Need>, kind: Kind, name: &str, expected: Vec<String>) {
    if let Some(known) = needs.iter_mut().find(|need| need.kind == kind && need.name == name) {
        let new = expected.into_iter().filter(|one| !known.expected.contains(one));
        let new: Vec<String> = new.collect();
        known.expected.extend(new);
    } else {
        needs.push(Need { kind, name: name.to_owned(), expected });
    }
}

impl Need {
    /// Judges what the API server has by this name.
    pub fn judge(&self, found: Option<&Value>) -> Fit {
        let Some(found) = found else { return self.missing() };
        match self.kind {
            Kind::SecretProviderClass => self.judge_class(found),
            Kind::Secret => self.judge_keys(found, &["data"]),
            Kind::ConfigMap => self.judge_keys(found, &["data", "binaryData"]),
            Kind::ServiceAccount => self.judge_account(found),
            Kind::PullSecret => Fit::Good,
        }
    }

    fn missing(&self) -> Fit {
        match self.kind {
            Kind::PullSecret => Fit::Doubtful(
                "is not there: if the image needs it, it will not be pulled".to_owned(),
            ),
            Kind::ServiceAccount => {
                Fit::Bad("is not there: the pod will not be created".to_owned())
            }
            Kind::SecretProviderClass => Fit::Bad(
                "is not there, or the Secrets Store CSI driver is not installed: the pod will stay in ContainerCreating"
                    .to_owned(),
            ),
            Kind::Secret | Kind::ConfigMap => {
                Fit::Bad("is not there: the pod will stay in ContainerCreating".to_owned())
            }
        }
    }

    fn judge_keys(&self, found: &Value, fields: &[&str]) -> Fit {
        let maps = fields.iter().filter_map(|field| found.get(field)?.as_object());
        let keys: Vec<&str> = maps.flatten().map(|(key, _)| key.as_str()).collect();
        match self.expected.iter().find(|expected| !keys.contains(&expected.as_str())) {
            None => Fit::Good,
            Some(expected) => Fit::Bad(lacks("key", expected, &keys)),
        }
    }

    /// The class names its files in YAML within YAML.
    fn judge_class(&self, found: &Value) -> Fit {
        let text = |path| found.pointer(path).and_then(Value::as_str);
        if text("/spec/provider") != Some("azure") {
            return Fit::Doubtful("is not of the provider azure".to_owned());
        }
        let Some(objects) = text("/spec/parameters/objects").and_then(objects) else {
            return Fit::Bad("has no readable spec.parameters.objects".to_owned());
        };
        let mut fits = self.expected.iter().map(|expected| delivers(&objects, expected));
        fits.find(|fit| *fit != Fit::Good).unwrap_or(Fit::Good)
    }

    fn judge_account(&self, found: &Value) -> Fit {
        let annotation = "azure.workload.identity/client-id";
        let annotations = found.pointer("/metadata/annotations");
        let said = annotations.and_then(|map| map.get(annotation)?.as_str());
        let is_expected = |said: &str| self.expected.iter().any(|id| said.eq_ignore_ascii_case(id));
        match said {
            Some(said) if !self.expected.is_empty() && !is_expected(said) => {
                Fit::Doubtful(format!(
                    "is annotated with the client id {said}; the sidecar uses {}",
                    self.expected.join(", ")
                ))
            }
            None if self.expected.is_empty() => Fit::Bad(format!(
                "has no annotation {annotation}, from which the sidecar's client id has to come"
            )),
            _ => Fit::Good,
        }
    }
}

/// Whether a class with these objects delivers `expected`, a certificate with its key.
fn delivers(objects: &[Object], expected: &str) -> Fit {
    let Some(object) = objects.iter().find(|object| object.file == expected) else {
        let files: Vec<&str> = objects.iter().map(|object| object.file.as_str()).collect();
        return Fit::Bad(lacks("file", expected, &files));
    };
    if object.kind == "secret" {
        return Fit::Good;
    }
    Fit::Bad(format!(
        "delivers {expected:?} as objectType {:?}, which is incomplete: a certificate with its key has objectType secret",
        object.kind
    ))
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

fn lacks(what: &str, expected: &str, have: &[&str]) -> String {
    let list = if have.is_empty() { "none".to_owned() } else { have.join(", ") };
    let suggestion = did_you_mean(expected, have.iter().copied());
    let suggestion = suggestion.map(|name| format!(" (did you mean {name:?}?)"));
    format!("has no {what} {expected:?}, but {list}{}", suggestion.unwrap_or_default())
}
