//! Whole pods as they come out, one file each: what the webhook does to the pod of
//! kube-prometheus-stack, for reading as well as for comparing. `UPDATE_EXPECT=1 cargo
//! test -p webhook` writes them again.

use expect_test::expect_file;
use serde_json::{Value, json};

use super::{admit, config, prometheus, with_one_version};

/// The patched pod is as in the file; a second pass changes nothing.
fn check(name: &str, pod: &Value) {
    let config = config();
    let (decision, patched) = admit(&config, pod);
    assert_eq!(decision.word(), "inject", "{decision:?}");
    let yaml = serde_saphyr::to_string(&patched).unwrap();
    expect_file![format!("../../testdata/golden/{name}.yaml")].assert_eq(&with_one_version(&yaml));
    let (again, unchanged) = admit(&config, &patched);
    assert_eq!((again.reason(), again.warnings()), ("already_injected", [].as_slice()));
    assert_eq!(unchanged, patched);
}

#[test]
fn user_assigned_identity() {
    check("user-assigned", &prometheus(&[("inject", "true")]));
}

#[test]
fn user_assigned_identity_in_an_ordinary_container() {
    let pod = prometheus(&[("inject", "true"), ("sidecar-mode", "container")]);
    check("user-assigned-container", &pod);
}

#[test]
fn application_with_a_certificate_by_the_csi_driver() {
    check("application-csi", &prometheus(&[("inject", "true"), ("profile", "application")]));
}

#[test]
fn application_with_a_certificate_in_a_secret() {
    check("application-secret", &prometheus(&[("inject", "true"), ("profile", "secret")]));
}

#[test]
fn workload_identity() {
    check("workload-identity", &prometheus(&[("inject", "true"), ("profile", "federated")]));
}

#[test]
fn workload_identity_by_an_identity_binding() {
    let pod = prometheus(&[("inject", "true"), ("profile", "federated-bound")]);
    check("identity-binding", &pod);
}

/// A token for Entra and one for the proxy.
#[test]
fn destinations_with_and_without_an_identity_binding() {
    let pod = prometheus(&[("inject", "true"), ("profile", "federated,federated-bound")]);
    check("destinations-bound-and-not", &pod);
}

#[test]
fn everything_that_only_a_profile_may_say() {
    check("profile-only-keys", &prometheus(&[("inject", "true"), ("profile", "stack")]));
}

#[test]
fn everything_that_an_annotation_may_say() {
    let pod = prometheus(&[
        ("inject", "true"),
        ("profile", "application"),
        (
            "ingestion-url",
            "https://dce-cd34.chinanorth3-1.metrics.ingest.monitor.azure.cn/dataCollectionRules/dcr-1/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24",
        ),
        ("cloud", "AzureChina"),
        ("audience", "https://monitor.azure.cn"),
        ("client-id", "33334444-dddd-5555-eeee-6666ffff7777"),
        ("tenant-id", "contoso.partner.onmschina.cn"),
        ("certificate-secret", "own-tls"),
        ("mount-path", "/etc/certificate"),
        ("listening-port", "9201"),
        ("image-pull-policy", "Always"),
        ("cpu-request", "20m"),
        ("cpu-limit", "1"),
        ("memory-request", "32Mi"),
        ("memory-limit", "256Mi"),
        ("log-level", "debug"),
        ("response-mode", "transparent"),
    ]);
    check("annotations", &pod);
}

#[test]
fn two_destinations() {
    check("two-destinations", &prometheus(&[("inject", "true"), ("profile", "default,tenants")]));
}

/// Two certificates, and a projected token.
#[test]
fn three_destinations() {
    let profiles = ("profile", "application, federated ,tenants");
    check("three-destinations", &prometheus(&[("inject", "true"), profiles]));
}

/// What the first profile says of a destination is not meant for the others, and
/// annotations are for the first alone.
#[test]
fn destinations_with_nothing_in_common() {
    let pod = prometheus(&[
        ("inject", "true"),
        ("profile", "stack,secret,federated,default"),
        ("response-mode", "transparent"),
        ("audience", "https://monitor.azure.us"),
        ("listening-port", "9201"),
    ]);
    let (decision, _) = admit(&config(), &pod);
    let said = "cluster of profile \"default\" has no effect: the first profile, \"stack\", decides for the whole sidecar";
    assert_eq!(decision.warnings(), [said]);
    check("destinations-apart", &pod);
}

#[test]
fn a_pod_with_a_hard_life() {
    let mut pod = prometheus(&[("inject", "true"), ("profile", "application")]);
    let spec = &mut pod["spec"];
    spec["terminationGracePeriodSeconds"] = json!(20);
    spec["securityContext"] = json!({"runAsUser": 0, "runAsNonRoot": false});
    spec["imagePullSecrets"] = json!([{"name": "registry"}]);
    spec["volumes"] = json!([
        {"name": "prom-remotewrite-cert", "emptyDir": {}},
        {"name": "prom-remotewrite-no-api-token", "emptyDir": {}},
        {"name": "prom-remotewrite-no-api-token-2", "emptyDir": {}},
    ]);
    check("hard-life", &pod);
    pod["metadata"]["annotations"]["prom-remotewrite/profile"] = json!("application,tenants");
    check("hard-life-of-two-destinations", &pod);
}
