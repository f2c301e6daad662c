//! CA bundles and certificates of a webhook, of which one thing is wrong each.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use k8s_openapi::ByteString;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::*;

/// That of the webhook that is well.
pub(super) static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("ours", 90));

pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// One that ends `days` after [`NOW`].
    pub(super) fn new(name: &str, days: i64) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_after = after(days).into();
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// As it stands in a webhook configuration.
    pub(super) fn bundle(&self) -> Value {
        serde_json::to_value(ByteString(self.0.pem().into_bytes())).unwrap()
    }

    /// A certificate for `name`, in PEM, that ends `days` after [`NOW`].
    fn issue(&self, name: &str, days: i64) -> String {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = after(days).into();
        params.signed_by(&KeyPair::generate().unwrap(), &self.0).unwrap().pem()
    }
}

fn after(days: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs((NOW + days * 86_400).try_into().unwrap())
}

/// The name that API servers call the webhook by.
const NAME: &str = "webhook.monitoring.svc";

/// Adds a replica that serves with `chain`.
fn serve(cluster: &mut FoundCluster, chain: String) {
    cluster.webhooks[0].replicas.push((plain("replica", &[]), Some(chain)));
}

fn set_bundle(cluster: &mut FoundCluster, bundle: Value) {
    cluster.webhooks[0].configuration["webhooks"][0]["clientConfig"]["caBundle"] = bundle;
}

pub(super) const AUTHORITIES: &[Case] = &[
    (
        "no CA bundle",
        "webhook",
        |cluster| set_bundle(cluster, json!("")),
        &["has no CA bundle that can be read"],
    ),
    (
        "a CA bundle of something else",
        "webhook",
        |cluster| set_bundle(cluster, json!("Q0E=")),
        &["CA bundle that can be read"],
    ),
    (
        "a CA bundle of another CA",
        "webhook",
        |cluster| serve(cluster, Authority::new("another", 90).issue(NAME, 90)),
        &["does not verify the certificate of Pod monitoring/replica", "another CA issued it"],
    ),
    (
        "a certificate of the webhook for another name",
        "webhook",
        |cluster| serve(cluster, AUTHORITY.issue("webhook.elsewhere.svc", 90)),
        &["does not verify the certificate of Pod monitoring/replica", "webhook.elsewhere.svc"],
    ),
    (
        "a webhook without a readable certificate",
        "webhook",
        |cluster| serve(cluster, "none".to_owned()),
        &["it is not readable"],
    ),
];

pub(super) const TRUSTED: [(&str, Change); 3] = [
    ("a certificate of the bundle's CA", |cluster| serve(cluster, AUTHORITY.issue(NAME, 90))),
    ("one CA of the bundle has expired", |cluster| {
        let pem = Authority::new("old", -1).0.pem() + &AUTHORITY.0.pem();
        set_bundle(cluster, serde_json::to_value(ByteString(pem.into_bytes())).unwrap());
        serve(cluster, AUTHORITY.issue(NAME, 90));
    }),
    ("a certificate that is its own authority", |cluster| {
        let own = Authority::new(NAME, 90);
        set_bundle(cluster, own.bundle());
        serve(cluster, own.0.pem());
    }),
];
