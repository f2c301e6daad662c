//! What the chart makes for other people's controllers is accepted by their
//! own definitions, taken from their modules, whose hashes are pinned. Whether
//! the controllers then do what is hoped for is shown where they run.

use std::fs;

use serde_json::{Value, json};
use tests::{kubernetes::control_plane::say_skipped, machine::environment, tools};

use super::{
    helm::Helm,
    objects::{self, text},
    trial::eventually,
};
use crate::cluster::has;

/// Kind, module and file.
const DEFINITIONS: &[(&str, &str, &str)] = &[
    (
        "applications.argoproj.io",
        "github.com/argoproj/argo-cd/v3",
        "manifests/crds/application-crd.yaml",
    ),
    (
        "certificates.cert-manager.io",
        "github.com/cert-manager/cert-manager",
        "deploy/crds/cert-manager.io_certificates.yaml",
    ),
    (
        "helmreleases.helm.toolkit.fluxcd.io",
        "github.com/fluxcd/helm-controller",
        "config/crd/bases/helm.toolkit.fluxcd.io_helmreleases.yaml",
    ),
    (
        "issuers.cert-manager.io",
        "github.com/cert-manager/cert-manager",
        "deploy/crds/cert-manager.io_issuers.yaml",
    ),
    (
        "ocirepositories.source.toolkit.fluxcd.io",
        "github.com/fluxcd/source-controller",
        "config/crd/bases/source.toolkit.fluxcd.io_ocirepositories.yaml",
    ),
    (
        "podmonitors.monitoring.coreos.com",
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
    ),
    (
        "prometheuses.monitoring.coreos.com",
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheuses.yaml",
    ),
    (
        "prometheusrules.monitoring.coreos.com",
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
    (
        "secretproviderclasses.secrets-store.csi.x-k8s.io",
        "sigs.k8s.io/secrets-store-csi-driver",
        "deploy/secrets-store.csi.x-k8s.io_secretproviderclasses.yaml",
    ),
];

/// The definitions of these kinds, or nothing where they cannot be had, which is
/// said.
pub(crate) fn definitions(test: &str, kinds: &[&str]) -> Option<Vec<Value>> {
    if environment::on_path("go").is_none() {
        assert!(environment::variable("CI").is_none(), "Go, which fetches modules, is missing");
        say_skipped(test, "Go, which fetches the resources' definitions, is not installed");
        return None;
    }
    let read = |expected: &&str| {
        let (_, path, file) = DEFINITIONS.iter().find(|(kind, ..)| kind == expected).unwrap();
        let yaml = fs::read_to_string(tools::source("crds", path).unwrap().join(file)).unwrap();
        let definition = objects::documents(&yaml).remove(0);
        assert_eq!(text(&definition, "/metadata/name"), *expected);
        definition
    };
    Some(kinds.iter().map(read).collect())
}

#[tokio::test]
async fn resources_of_others_are_accepted() {
    const TEST: &str = "resources_of_others_are_accepted";
    const KINDS: &[&str] = &[
        "certificates.cert-manager.io",
        "issuers.cert-manager.io",
        "podmonitors.monitoring.coreos.com",
        "prometheusrules.monitoring.coreos.com",
    ];
    let Some((helm, plane)) = Helm::with_control_plane(TEST).await else { return };
    let Some(definitions) = definitions(TEST, KINDS) else { return };
    // cert-manager's definitions have them.
    if !has(plane, 30, TEST, "selectable fields of custom resources") {
        return;
    }
    let client = plane.client().await.unwrap();
    objects::namespace(&client, "foreign", "restricted").await;
    for definition in &definitions {
        objects::apply(&client, definition).await.unwrap();
    }
    let mut kinds = Vec::new();
    for certificates in [
        json!({"mode": "certManager"}),
        json!({"mode": "certManager", "certManager": {"issuerRef": {"name": "ca", "kind": "ClusterIssuer"}}}),
    ] {
        let values = json!({
            "certificates": certificates,
            "podMonitor": {"enabled": true, "labels": {"release": "kps"}, "interval": "1m"},
            "prometheusRule": {"enabled": true, "labels": {"release": "kps"}},
            "dashboard": {"enabled": true, "annotations": {"grafana_folder": "Azure"}},
        });
        let rendered = helm.template(("one", "foreign"), &values, &[]).await.unwrap();
        kinds.extend(rendered.into_iter().filter(|object| !objects::is_hook(object)));
    }
    for object in &kinds {
        // A definition is in use a moment after it was written.
        eventually(text(object, "/kind"), async || {
            match objects::apply_dry(&client, object).await {
                Err(kube::Error::Api(status)) if status.code == 404 => None,
                applied => Some(applied.unwrap_or_else(|error| panic!("{error}\n{object:#}"))),
            }
        })
        .await;
    }
    let count = |kind: &str| kinds.iter().filter(|object| object["kind"] == kind).count();
    assert_eq!(["Issuer", "Certificate", "PodMonitor"].map(count), [2, 3, 6]);
    assert_eq!(["PrometheusRule", "ConfigMap"].map(count), [2, 4]);
    // No one writes the Secret but cert-manager.
    let roles = kinds.iter().filter(|object| object["kind"] == "Role");
    for role in roles {
        assert_eq!(role["rules"][0]["verbs"], json!(["get", "list", "watch"]), "{role:#}");
    }
}
