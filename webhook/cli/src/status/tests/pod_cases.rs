//! Pods with one thing wrong each.

use super::*;

/// What a sidecar has counted that nobody has written to.
const NEVER_WRITTEN: [(&str, i64); 2] = [
    ("prom_remotewrite_last_success_timestamp_seconds", 0),
    ("prom_remotewrite_received_bytes_total", 0),
];

/// Adds a container.
fn add(pod: &mut FoundPod, container: &Value) {
    pod.raw["spec"]["containers"].as_array_mut().unwrap().push(container.clone());
}

pub(super) const PODS: &[Case] = &[
    (
        "older",
        "no-sidecar",
        |cluster| {
            let mut pod = plain("a", &[("inject", "true")]);
            pod.raw["metadata"]["creationTimestamp"] = json!(OLD);
            cluster.pods.push(pod);
        },
        &[
            "Pod monitoring/a",
            "older than the webhook",
            "kubectl delete pod -n monitoring a`: its controller",
        ],
    ),
    (
        "while no webhook answered",
        "no-sidecar",
        |cluster| {
            cluster.pods.push(plain("a", &[("inject", "yes")]));
        },
        &["while no webhook answered"],
    ),
    (
        "no webhook",
        "no-sidecar",
        |cluster| {
            cluster.webhooks.clear();
            cluster.pods.push(plain("a", &[("inject", "true")]));
        },
        &["there is no webhook -> first solve the webhook problem above; then `kubectl delete"],
    ),
    (
        "nobody's pod",
        "no-sidecar",
        |cluster| {
            let mut pod = plain("a", &[("inject", "true")]);
            pod.raw["metadata"].as_object_mut().unwrap().remove("ownerReferences");
            cluster.pods.push(pod);
        },
        &["create it again"],
    ),
    (
        "an excluded namespace",
        "no-sidecar",
        |cluster| {
            let name = "kubernetes.io/metadata.name";
            select(cluster, "namespaceSelector", name, "NotIn", &["monitoring", "kube-system"]);
            cluster.pods.push(plain("a", &[("inject", "true")]));
        },
        &[
            "the webhook is not called for pods in its namespace",
            "namespaces with kubernetes.io/metadata.name notin (monitoring,kube-system)",
        ],
    ),
    (
        "a namespace that is not selected",
        "no-sidecar",
        |cluster| {
            select(cluster, "namespaceSelector", "team", "In", &["apps"]);
            cluster.pods.push(plain("a", &[("inject", "true")]));
        },
        &[
            "namespaces with team in (apps) -> create it in a namespace",
            "webhook.namespaceSelector",
        ],
    ),
    (
        "a namespace of which nothing is known",
        "no-sidecar",
        |cluster| {
            select(cluster, "namespaceSelector", "team", "In", &["apps"]);
            cluster.namespaces.clear();
            cluster.pods.push(plain("a", &[("inject", "true")]));
        },
        &["while no webhook answered"],
    ),
    (
        "a pod that is not selected",
        "no-sidecar",
        |cluster| {
            select(cluster, "objectSelector", "injected", "Exists", &[]);
            cluster.pods.push(plain("a", &[("inject", "ture")]));
        },
        &[
            "is not called for it, but for pods with injected -> create it",
            "webhook.objectSelector",
        ],
    ),
    (
        "one of two webhooks is asked, while it was away",
        "no-sidecar",
        |cluster| {
            let second = cluster.webhooks[0].configuration.clone();
            select(cluster, "objectSelector", "injected", "Exists", &[]);
            cluster
                .webhooks
                .push(FoundWebhook { configuration: second, ..FoundWebhook::default() });
            cluster.pods.push(plain("a", &[("inject", "true")]));
        },
        &["while no webhook answered"],
    ),
    (
        "while the webhook is away",
        "no-sidecar",
        |cluster| {
            cluster.webhooks[0].missing.push("Deployment b/a".to_owned());
            cluster.pods.push(plain("a", &[("inject", "true")]));
        },
        &["-> first solve the webhook problem above; then `kubectl delete pod"],
    ),
    (
        "other settings, while the webhook is away",
        "outdated-settings",
        |cluster| {
            cluster.webhooks[0].missing.push("Deployment b/a".to_owned());
            file(cluster).config.image = "example.com/sidecar:2".parse().unwrap();
        },
        &["-> nothing, or first solve the webhook problem above; then delete them"],
    ),
    (
        "a configuration that may not be read",
        "no-sidecar",
        |cluster| {
            cluster.webhooks[0].file = None;
            cluster.pods.push(plain("a", &[("inject", "true")]));
        },
        &["-> first see with `kubectl prom-remotewrite explain`"],
    ),
    (
        "misspelt, for a webhook with an invalid configuration",
        "no-sidecar",
        |cluster| {
            cluster.webhooks[0].file = Some(Err("1 error: profile".to_owned()));
            cluster.pods.push(plain("a", &[("inject", "yes please")]));
        },
        &[
            "today it would be denied: prom-remotewrite/inject=\"yes please\"",
            "-> first solve the webhook problem above; then correct its annotations; then",
        ],
    ),
    (
        "misspelt",
        "no-sidecar",
        |cluster| {
            cluster.pods.push(plain("a", &[("inject", "ture")]));
        },
        &["today it would be denied", "did you mean \"true\""],
    ),
    (
        "a profile that does not exist",
        "unknown-profile",
        |cluster| {
            cluster.pods.push(plain("a", &[("inject", "true"), ("profile", "defualt")]));
        },
        &["did you mean \"default\""],
    ),
    (
        "without inject",
        "ignored-annotations",
        |cluster| {
            cluster.pods.push(plain("a", &[("profile", "default")]));
        },
        &["have no effect without prom-remotewrite/inject"],
    ),
    (
        "written by hand",
        "hand-written",
        |cluster| {
            let mut pod = plain("a", &[("inject", "true")]);
            add(
                &mut pod,
                &json!({
                    "name": "azure",
                    "image": "mcr.microsoft.com/azuremonitor/containerinsights/ciprod/prometheus-remote-write/images:v1",
                }),
            );
            cluster.pods.push(pod);
        },
        &["container \"azure\"", "annotations have no effect", "migrate"],
    ),
    (
        "aad-auth-proxy",
        "hand-written",
        |cluster| {
            let mut pod = plain("a", &[("inject", "false")]);
            let image = "mcr.microsoft.com/azuremonitor/auth-proxy/prod/aad-auth-proxy/images/aad-auth-proxy:0.1.0";
            add(&mut pod, &json!({"name": "proxy", "image": image}));
            cluster.pods.push(pod);
        },
        &["container \"proxy\" is a sidecar that was written by hand", "migrate"],
    ),
    (
        "aad-auth-proxy in a pod that asks, which the webhook injects",
        "no-sidecar",
        |cluster| {
            let mut pod = plain("a", &[("inject", "true")]);
            add(&mut pod, &json!({"name": "proxy", "image": "b/aad-auth-proxy:1"}));
            cluster.pods.push(pod);
        },
        &["while no webhook answered"],
    ),
    (
        "variables of a ConfigMap, by its name",
        "hand-written",
        |cluster| {
            let mut pod = plain("a", &[]);
            let variables = json!([{"configMapRef": {"name": "a"}}]);
            let name = "prom-remotewrite";
            add(&mut pod, &json!({"name": name, "image": "b/c:1", "envFrom": variables}));
            cluster.pods.push(pod);
        },
        &["container \"prom-remotewrite\" is a sidecar that was written by hand"],
    ),
    (
        "variables of a ConfigMap, by its image",
        "hand-written",
        |cluster| {
            let mut pod = plain("a", &[]);
            add(&mut pod, &json!({"name": "azure", "image": "b/prom-remotewrite:1@sha256:0"}));
            cluster.pods.push(pod);
        },
        &["container \"azure\" is a sidecar that was written by hand"],
    ),
    (
        "the profile is gone",
        "unknown-profile",
        |cluster| {
            file(cluster).config.profiles.clear();
            cluster.pods[0].raw["metadata"]["annotations"]["prom-remotewrite/profile"] =
                json!("default");
        },
        &["Pod monitoring/well", "a pod that replaces it would be denied"],
    ),
    (
        "other settings",
        "outdated-settings",
        |cluster| {
            file(cluster).config.image = "example.com/sidecar:2".parse().unwrap();
        },
        &["Pod monitoring/well", "configuration has changed"],
    ),
    (
        "it cannot start",
        "not-ready",
        |cluster| {
            cluster.pods[0].raw["status"]["initContainerStatuses"] = json!([{
                "name": "prom-remotewrite", "ready": false,
                "state": {"waiting": {"reason": "ImagePullBackOff"}},
            }]);
            cluster.pods[0].figures = None;
        },
        &[
            "does not run: ImagePullBackOff -> `kubectl describe pod -n monitoring well` and",
            "`kubectl logs -n monitoring well -c prom-remotewrite --previous` show why",
        ],
    ),
    (
        "no token",
        "not-ready",
        |cluster| {
            cluster.pods[0] =
                injected("well", &[("prom_remotewrite_token_expiry_timestamp_seconds", 0)]);
        },
        &["no valid token", "kubectl prom-remotewrite check -n monitoring well"],
    ),
    (
        "the token has ended",
        "not-ready",
        |cluster| {
            cluster.pods[0] =
                injected("well", &[("prom_remotewrite_token_expiry_timestamp_seconds", NOW)]);
        },
        &["no valid token"],
    ),
    (
        "the certificate ends",
        "certificate-expiring",
        |cluster| {
            let ends = ("prom_remotewrite_certificate_expiry_timestamp_seconds", NOW + 20 * 86_400);
            cluster.pods[0] = injected("well", &[ends]);
        },
        &["expires in 20d", "renew it"],
    ),
    (
        "the certificate has ended",
        "certificate-expiring",
        |cluster| {
            let ends = ("prom_remotewrite_certificate_expiry_timestamp_seconds", NOW - 1);
            cluster.pods[0] = injected("well", &[ends]);
        },
        &["certificate has expired"],
    ),
    (
        "Azure takes nothing",
        "nothing-accepted",
        |cluster| {
            let last = ("prom_remotewrite_last_success_timestamp_seconds", NOW - 1500);
            cluster.pods[0] = injected("well", &[last]);
        },
        &["nothing for 25m", "prom-remotewrite check"],
    ),
    (
        "nothing arrives",
        "remote-write",
        |cluster| {
            cluster.pods[0] = injected("well", &NEVER_WRITTEN);
        },
        &["written nothing", "http://localhost:8081/api/v1/write"],
    ),
    (
        "it arrives at another path",
        "remote-write",
        |cluster| {
            cluster.pods[0] = injected(
                "well",
                &[
                    NEVER_WRITTEN[0],
                    NEVER_WRITTEN[1],
                    ("prom_remotewrite_refused_requests_total{reason=\"wrong_path\"}", 5),
                ],
            );
        },
        &["a wrong path"],
    ),
    (
        "it arrives from elsewhere",
        "remote-write",
        |cluster| {
            cluster.pods[0] = injected(
                "well",
                &[
                    NEVER_WRITTEN[0],
                    NEVER_WRITTEN[1],
                    ("prom_remotewrite_refused_requests_total{reason=\"foreign_peer\"}", 5),
                ],
            );
        },
        &["other pods write to it", "acceptFrom"],
    ),
    (
        "another program answers",
        "not-seen",
        |cluster| {
            cluster.pods[0].figures = Some(Figures::parse("process_start_time_seconds 1\n"));
        },
        &["Pod monitoring/well (no metrics of prom-remotewrite are there)"],
    ),
    (
        "it says nothing",
        "not-seen",
        |cluster| {
            cluster.pods[0].figures = Some(Err("no answer within 5 s".to_owned()));
        },
        &[
            "the metrics of 1 cannot be read: Pod monitoring/well (no answer within 5 s)",
            "--no-metrics",
        ],
    ),
];
