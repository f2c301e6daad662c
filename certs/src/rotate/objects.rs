//! The two Kubernetes objects, read and written.
//!
//! | Secret key | holds |
//! |---|---|
//! | `tls.crt`, `tls.key`, `ca.crt` | the pair in use |
//! | `next-tls.crt`, `next-tls.key`, `next-ca.crt` | the staged pair, else empty |
//!
//! An apply that leaves a key out does not remove it while an earlier field
//! manager owns it too, so all keys are always written, and empty means none.

use std::{collections::BTreeMap, time::SystemTime};

use k8s_openapi::{
    ByteString,
    api::{
        admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration},
        core::v1::Secret,
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use serde_json::{Value, json};

use super::{
    observed::Held,
    report::{parse_timestamp, timestamp},
};
use crate::{bundle::Bundle, pair::Texts};

/// Says on both objects that this program may write to them.
pub const OWNED_LABEL: &str = "prom-remotewrite/certificates";
/// The value of [`OWNED_LABEL`].
pub const OWNED_VALUE: &str = "rotate";
/// On the Secret: since when its pair is in use.
pub const PROMOTED: &str = "prom-remotewrite/promoted-at";
/// On the configuration: when its bundle was last written.
pub const PUBLISHED: &str = "prom-remotewrite/published-at";

const CURRENT: Keys = Keys { ca: "ca.crt", certificate: "tls.crt", key: "tls.key" };
const NEXT: Keys = Keys { ca: "next-ca.crt", certificate: "next-tls.crt", key: "next-tls.key" };

struct Keys {
    ca: &'static str,
    certificate: &'static str,
    key: &'static str,
}

/// Which state of which object a write is meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// With the version alone, an apply would bring a deleted object back.
    uid: Option<String>,
    resource_version: Option<String>,
}

impl Version {
    /// The one that was read.
    pub fn of(metadata: &ObjectMeta) -> Self {
        Self { uid: metadata.uid.clone(), resource_version: metadata.resource_version.clone() }
    }
}

/// Whether this program may write to the object.
pub fn is_owned(metadata: &ObjectMeta) -> bool {
    let labels = metadata.labels.as_ref();
    labels.and_then(|labels| labels.get(OWNED_LABEL)).is_some_and(|value| value == OWNED_VALUE)
}

/// Reads the Secret.
pub fn held(secret: &Secret) -> Held {
    let texts = |keys: &Keys| Texts {
        ca: text(secret, keys.ca),
        certificate: text(secret, keys.certificate),
        key: text(secret, keys.key),
    };
    Held {
        current: texts(&CURRENT),
        next: texts(&NEXT),
        promoted: noted(&secret.metadata, PROMOTED),
    }
}

/// Bytes that are no text are no PEM: what is left of them is damage enough.
fn text(secret: &Secret, key: &str) -> String {
    let bytes = secret.data.as_ref().and_then(|data| data.get(key));
    bytes.map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned()).unwrap_or_default()
}

/// A time in an annotation.
pub fn noted(metadata: &ObjectMeta, name: &str) -> Option<SystemTime> {
    parse_timestamp(metadata.annotations.as_ref()?.get(name)?)
}

/// The owner with whose end the Secret ends.
pub fn owner(configuration: &MutatingWebhookConfiguration) -> OwnerReference {
    OwnerReference {
        api_version: "admissionregistration.k8s.io/v1".to_owned(),
        kind: "MutatingWebhookConfiguration".to_owned(),
        name: configuration.metadata.name.clone().unwrap_or_default(),
        uid: configuration.metadata.uid.clone().unwrap_or_default(),
        ..OwnerReference::default()
    }
}

/// Our webhook in the configuration.
pub fn webhook<'a>(
    configuration: &'a MutatingWebhookConfiguration,
    name: &str,
) -> Option<&'a MutatingWebhook> {
    configuration.webhooks.iter().flatten().find(|webhook| webhook.name == name)
}

/// Whom the API server trusts as this webhook.
pub fn bundle(webhook: &MutatingWebhook) -> Bundle {
    let bytes = webhook.client_config.ca_bundle.as_ref().map(|bytes| bytes.0.as_slice());
    Bundle::parse(&String::from_utf8_lossy(bytes.unwrap_or_default()))
}

/// The apply that makes the Secret hold `held`.
pub fn secret_apply(
    name: &str,
    held: &Held,
    owner: OwnerReference,
    version: Option<Version>,
) -> Secret {
    let mut data = BTreeMap::new();
    for (keys, texts) in [(&CURRENT, &held.current), (&NEXT, &held.next)] {
        let values =
            [(keys.ca, &texts.ca), (keys.certificate, &texts.certificate), (keys.key, &texts.key)];
        data.extend(
            values.map(|(key, text)| (key.to_owned(), ByteString(text.clone().into_bytes()))),
        );
    }
    let (uid, resource_version) =
        version.map(|version| (version.uid, version.resource_version)).unwrap_or_default();
    let promoted = held.promoted.map(|time| (PROMOTED.to_owned(), timestamp(time)));
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            uid,
            resource_version,
            labels: Some([(OWNED_LABEL.to_owned(), OWNED_VALUE.to_owned())].into()),
            annotations: Some(promoted.into_iter().collect()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        type_: Some("kubernetes.io/tls".to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}

/// The apply that sets the bundle of `webhook`, and nothing else.
///
/// It is raw JSON: the typed form would claim every required field of the
/// webhook too.
pub fn bundle_apply(
    name: &str,
    webhook: &str,
    bundle: &Bundle,
    now: SystemTime,
    version: &Version,
) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {
            "name": name,
            "uid": version.uid,
            "resourceVersion": version.resource_version,
            "annotations": {PUBLISHED: timestamp(now)},
        },
        "webhooks": [{
            "name": webhook,
            "clientConfig": {"caBundle": ByteString(bundle.pem().into_bytes())},
        }],
    })
}
