//! Sidecars with two destinations, with one thing wrong each.

use super::*;

const TOKEN: &str = "prom_remotewrite_token_expiry_timestamp_seconds";
const SUCCESS: &str = "prom_remotewrite_last_success_timestamp_seconds";
const RECEIVED: &str = "prom_remotewrite_received_bytes_total";

/// Instead of the sidecar that is well, one with two destinations.
fn two(cluster: &mut FoundCluster, metrics: &[(&str, i64)]) {
    *file(cluster) = two_profiles();
    cluster.pods[0] = with_two("well", metrics);
}

pub(super) const DESTINATIONS: &[Case] = &[
    (
        "a list with a profile that does not exist",
        "unknown-profile",
        |cluster| {
            cluster.pods.push(plain("a", &[("inject", "true"), ("profile", "default,tenats")]));
        },
        &["today it would be denied", "prom-remotewrite/profile=\"tenats\""],
    ),
    (
        "a destination without a token",
        "not-ready",
        |cluster| two(cluster, &[(TOKEN, 0)]),
        &["no valid token for destination tenants ->"],
    ),
    (
        "nothing accepted at one of two",
        "nothing-accepted",
        |cluster| two(cluster, &[(SUCCESS, NOW - 1500)]),
        &[
            "accepted nothing for destination tenants for 25m",
            "http://localhost:8081/tenants/api/v1/write",
        ],
    ),
    (
        "nothing arrives at one of two",
        "remote-write",
        |cluster| two(cluster, &[(SUCCESS, 0), (RECEIVED, 0)]),
        &[
            "written nothing to the sidecar for destination tenants for 25h",
            "set the URL of its remote write for destination tenants to http://localhost:8081/tenants/api/v1/write",
        ],
    ),
    (
        "a wrong name in the path",
        "remote-write",
        |cluster| {
            let wrong =
                "prom_remotewrite_refused_requests_total{reason=\"wrong_path\",destination=\"\"}";
            two(cluster, &[(SUCCESS, 0), (RECEIVED, 0), (wrong, 7)]);
        },
        &["a wrong path: nothing has arrived for destination tenants", "/tenants/api/v1/write"],
    ),
    (
        "the certificate of one of two ends",
        "certificate-expiring",
        |cluster| {
            let ends = ("prom_remotewrite_certificate_expiry_timestamp_seconds", NOW + 86_400);
            two(cluster, &[ends]);
        },
        &["the application's certificate for destination tenants expires in 24h"],
    ),
    (
        "an object that writes to one of two",
        "remote-write",
        |cluster| {
            let list = json!({"podMetadata": {"annotations": {"prom-remotewrite/profile": "default,tenants"}}});
            *file(cluster) = config_file();
            cluster.namespace = Some("monitoring".to_owned());
            cluster.objects.push(object("a", &list));
        },
        &[
            "nothing in spec.remoteWrite goes to destination tenants -> add http://localhost:8081/tenants/api/v1/write",
        ],
    ),
    (
        "an object with a wrong name in the path",
        "remote-write",
        |cluster| {
            let list = json!({
                "podMetadata": {"annotations": {"prom-remotewrite/profile": "default,tenants"}},
                "remoteWrite": [
                    {"url": "http://localhost:8081/api/v1/write"},
                    {"url": "http://localhost:8081/tenant/api/v1/write"},
                ],
            });
            *file(cluster) = config_file();
            cluster.namespace = Some("monitoring".to_owned());
            cluster.objects.push(object("a", &list));
        },
        &[
            "goes to http://localhost:8081/tenant/api/v1/write, where the sidecar does not listen",
            "/tenants/api/v1/write",
        ],
    ),
];
