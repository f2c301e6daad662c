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
        core::v1::{Secret, ServiceAccount},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Preconditions},
};
use serde_json::{Value, json};

use super::{
    messages::{parse_timestamp, timestamp},
    observed::{Owner, Stored, Trust},
};
use crate::{bundle::Bundle, pair::Pem};

/// A label of the Secret, by which people find it.
pub const LABEL: &str = "prom-remotewrite/certificates";
/// The value of [`LABEL`].
pub const LABEL_VALUE: &str = "rotate";
/// On the Secret: any text asks for a new pair, once.
pub const RENEW: &str = "prom-remotewrite/renew";
/// On the configuration: when its bundle was last written.
pub const PUBLISHED: &str = "prom-remotewrite/published-at";
/// On the configuration: the fingerprint of the CAs that were in use then.
pub const PUBLISHED_FOR: &str = "prom-remotewrite/published-for";
/// Owns the fields that are written.
pub const FIELD_MANAGER: &str = "prom-remotewrite-certs";
/// The type of a new Secret; the API server never changes that of an old one.
const TLS: &str = "kubernetes.io/tls";

const CURRENT: Keys = Keys { ca: "ca.crt", certificate: "tls.crt", key: "tls.key" };
const NEXT: Keys = Keys { ca: "next-ca.crt", certificate: "next-tls.crt", key: "next-tls.key" };

struct Keys {
    ca: &'static str,
    certificate: &'static str,
    key: &'static str,
}

/// What makes the API server refuse a write to an object that has changed since it was
/// read. With the version alone, an apply would create a deleted object again.
pub fn preconditions(read: &ObjectMeta) -> Preconditions {
    Preconditions { uid: read.uid.clone(), resource_version: read.resource_version.clone() }
}

/// Reads the Secret.
pub fn stored(secret: &Secret) -> Stored {
    let pem = |keys: &Keys| Pem {
        ca: text(secret, keys.ca),
        certificate: text(secret, keys.certificate),
        key: text(secret, keys.key),
    };
    Stored {
        current: pem(&CURRENT),
        next: pem(&NEXT),
        renew: annotation(&secret.metadata, RENEW).unwrap_or_default().to_owned(),
    }
}

/// Bytes that are no text are no PEM; what is left of them is invalid enough.
fn text(secret: &Secret, key: &str) -> String {
    let bytes = secret.data.as_ref().and_then(|data| data.get(key));
    bytes.map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned()).unwrap_or_default()
}

fn annotation<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

/// The reference by which the Secret is deleted with the release.
///
/// It does not block the owner's deletion: to set that takes more rights on some
/// distributions.
pub fn owner_reference(account: &ServiceAccount) -> OwnerReference {
    OwnerReference {
        api_version: "v1".to_owned(),
        kind: "ServiceAccount".to_owned(),
        name: account.metadata.name.clone().unwrap_or_default(),
        uid: account.metadata.uid.clone().unwrap_or_default(),
        ..OwnerReference::default()
    }
}

/// With what the Secret will be deleted, if it should be with `expected`.
pub fn owner(secret: &Secret, expected: Option<&OwnerReference>) -> Owner {
    let owners = secret.metadata.owner_references.as_deref().unwrap_or_default();
    let is_expected =
        |owner: &OwnerReference| Some(&owner.uid) == expected.map(|expected| &expected.uid);
    if let Some(owner) = owners.iter().find(|owner| owner.controller == Some(true)) {
        Owner::Controller(format!("{} {}", owner.kind, owner.name))
    } else if expected.is_none() || owners.iter().any(is_expected) {
        Owner::Release
    } else {
        Owner::Other
    }
}

/// Our webhook in the configuration.
pub fn webhook<'a>(
    configuration: &'a MutatingWebhookConfiguration,
    name: &str,
) -> Option<&'a MutatingWebhook> {
    configuration.webhooks.iter().flatten().find(|webhook| webhook.name == name)
}

/// The bundle of `webhook` as it is written.
pub fn bundle(webhook: &MutatingWebhook) -> String {
    let bytes = webhook.client_config.ca_bundle.as_ref().map(|bytes| bytes.0.as_slice());
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

/// What the API server trusts for `webhook` of `configuration`.
pub fn trust(configuration: &MutatingWebhookConfiguration, webhook: &MutatingWebhook) -> Trust {
    let metadata = &configuration.metadata;
    Trust {
        bundle: Bundle::parse(&bundle(webhook)),
        is_owned: is_owned(metadata, &webhook.name),
        published: annotation(metadata, PUBLISHED).and_then(parse_timestamp),
        published_for: annotation(metadata, PUBLISHED_FOR).map(str::to_owned),
    }
}

/// Whether the bundle of `webhook` is among the fields that this program applied.
fn is_owned(metadata: &ObjectMeta, webhook: &str) -> bool {
    let entries = metadata.managed_fields.iter().flatten();
    let ours = entries.filter(|entry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER)
            && entry.operation.as_deref() == Some("Apply")
    });
    let key = json!({"name": webhook});
    let bundle = format!("/f:webhooks/k:{key}/f:clientConfig/f:caBundle");
    ours.filter_map(|entry| entry.fields_v1.as_ref())
        .any(|fields| fields.0.pointer(&bundle).is_some())
}

/// The apply that makes the Secret hold `stored`, on top of `existing`.
pub fn secret_apply(
    name: &str,
    stored: &Stored,
    owners: Vec<OwnerReference>,
    existing: Option<&Secret>,
) -> Secret {
    let mut data = BTreeMap::new();
    for (keys, pem) in [(&CURRENT, &stored.current), (&NEXT, &stored.next)] {
        let values =
            [(keys.ca, &pem.ca), (keys.certificate, &pem.certificate), (keys.key, &pem.key)];
        data.extend(
            values.map(|(key, text)| (key.to_owned(), ByteString(text.clone().into_bytes()))),
        );
    }
    let read = existing.map(|secret| preconditions(&secret.metadata)).unwrap_or_default();
    // Once it is empty it is left out, which removes it.
    let asked = existing.is_some_and(|secret| annotation(&secret.metadata, RENEW) > Some(""));
    let type_ = existing.map_or_else(|| Some(TLS.to_owned()), |secret| secret.type_.clone());
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            uid: read.uid,
            resource_version: read.resource_version,
            labels: Some([(LABEL.to_owned(), LABEL_VALUE.to_owned())].into()),
            annotations: asked.then(|| [(RENEW.to_owned(), stored.renew.clone())].into()),
            owner_references: Some(owners),
            ..ObjectMeta::default()
        },
        type_,
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
    bundle: &str,
    (now, published_for): (SystemTime, &str),
    read: &Preconditions,
) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {
            "name": name,
            "uid": read.uid,
            "resourceVersion": read.resource_version,
            "annotations": {PUBLISHED: timestamp(now), PUBLISHED_FOR: published_for},
        },
        "webhooks": [{
            "name": webhook,
            "clientConfig": {"caBundle": ByteString(bundle.as_bytes().to_vec())},
        }],
    })
}
