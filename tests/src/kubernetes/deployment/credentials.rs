//! Keys and certificates of one cluster: the stand-in's, and the application's.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use super::{AZURE, CERTIFICATE, MONITORING, apply_object, kubectl, secret};
use crate::{
    failure::Outcome,
    keys::authority::{ApplicationCertificate, Authority},
    kubernetes::kind::Cluster,
};

/// Names by which the sidecars call the stand-in.
const NAMES: [&str; 2] = ["ingestion.azure.svc", "entra.azure.svc"];

/// The application's certificate in the forms that its two ends take.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The part for Entra: the certificate without its key, PEM.
    pub registered: String,
    /// What the key vault holds: certificate and key, PFX.
    pub delivered: Vec<u8>,
}

impl Credentials {
    /// New ones.
    pub fn new() -> Outcome<Self> {
        let certificate = ApplicationCertificate::new("prometheus")?;
        Ok(Self { registered: certificate.certificate_pem(), delivered: certificate.pfx()? })
    }

    /// Puts them into the store that the CSI driver's provider reads.
    pub fn deliver(&self, cluster: &Cluster) -> Outcome<()> {
        let files = BTreeMap::from([(CERTIFICATE, self.delivered.clone())]);
        apply_object(cluster, &secret(STORE.0, STORE.1, &files))
    }

    /// Has the stand-in know them when it is started again.
    pub fn register(&self, cluster: &Cluster) -> Outcome<()> {
        let certificate = BASE64_STANDARD.encode(&self.registered);
        let patch = json!({"data": {"writer.crt": certificate}}).to_string();
        let arguments = ["patch", "secret", "azure-tls", "-n", AZURE, "--type=merge", "-p", &patch];
        kubectl(cluster, &arguments).map(|_| ())
    }
}

/// Namespace and name of the Secret that is the store.
const STORE: (&str, &str) = ("kube-system", "secrets-store");

/// Makes all of them and puts them where they are read, unless they are there:
/// sidecars that run would not trust another authority.
pub(super) fn install(cluster: &Cluster) -> Outcome<()> {
    let there = ["get", "secret", "azure-tls", "-n", AZURE, "--ignore-not-found", "-o", "name"];
    if !kubectl(cluster, &there)?.trim().is_empty() {
        return Ok(());
    }
    for name in [AZURE, MONITORING] {
        let metadata = json!({"name": name});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
        apply_object(cluster, &namespace)?;
    }
    let authority = Authority::new("Azure stand-in authority")?;
    let (certificate, key) = authority.server_pem(&NAMES)?;
    let credentials = Credentials::new()?;
    credentials.deliver(cluster)?;
    apply_object(
        cluster,
        &json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "azure-trust", "namespace": MONITORING},
            "data": {"ca.crt": authority.pem()},
        }),
    )?;
    let files = BTreeMap::from([
        ("tls.crt", certificate.into_bytes()),
        ("tls.key", key.into_bytes()),
        ("ca.crt", authority.pem().into_bytes()),
        ("writer.crt", credentials.registered.into_bytes()),
    ]);
    // Last, because it marks the rest as complete.
    apply_object(cluster, &secret(AZURE, "azure-tls", &files))
}
