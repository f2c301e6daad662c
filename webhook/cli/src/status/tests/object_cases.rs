//! Workloads and Prometheus objects with one thing wrong each.

use super::*;

pub(super) const OBJECTS: &[Case] = &[
    (
        "a StatefulSet's own annotations",
        "ignored-annotations",
        |cluster| {
            let pod = plain("a", &[]).raw;
            cluster.objects.push(json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "a", "namespace": "b", "annotations": {"prom-remotewrite/inject": "true"}},
            "spec": {"template": {"metadata": {}, "spec": pod["spec"]}},
        }));
        },
        &["StatefulSet b/a", "do not get", "write them in spec.template.metadata.annotations"],
    ),
    (
        "a Prometheus object's own annotations",
        "ignored-annotations",
        |cluster| {
            let mut object = object("a", &json!({"podMetadata": null, "remoteWrite": []}));
            object["metadata"]["annotations"] = json!({"prom-remotewrite/inject": "true"});
            cluster.objects.push(object);
        },
        &["Prometheus monitoring/a", "spec.podMetadata.annotations"],
    ),
    (
        "denied, and the operator adds a label that is selected",
        "denied",
        |cluster| {
            select(cluster, "objectSelector", "added", "Exists", &[]);
            let annotations = json!({"prom-remotewrite/listening-port": "9090"});
            let spec = json!({"podMetadata": {"annotations": annotations}});
            cluster.objects.push(object("a", &spec));
        },
        &["its pods are denied", "port 9090 is taken"],
    ),
    (
        "denied",
        "denied",
        |cluster| {
            cluster.objects.push(object(
                "a",
                &json!({"web": {}, "podMetadata": {
                    "annotations": {"prom-remotewrite/listening-port": "9090"},
                }}),
            ));
        },
        &["its pods are denied", "port 9090 is taken"],
    ),
    (
        "not created",
        "denied",
        |cluster| {
            let pod = plain("a", &[("inject", "true")]).raw;
            cluster.objects.push(json!({
                "apiVersion": "apps/v1", "kind": "StatefulSet",
                "metadata": {"name": "a", "namespace": "b"},
                "spec": {"replicas": 2, "template": pod},
                "status": {"replicas": 1},
            }));
            let refusal = |who: &str, why: &str| (who.to_owned(), why.to_owned());
            cluster.refusals = vec![
                refusal("StatefulSet b/a", "older"),
                refusal("StatefulSet b/a", "x509: unknown authority"),
                refusal("StatefulSet b/other", "exceeded quota"),
            ];
        },
        &["StatefulSet b/a: 1 of 2 pods are created: x509: unknown authority ->"],
    ),
    (
        "a profile that does not exist",
        "unknown-profile",
        |cluster| {
            cluster.objects.push(object(
                "a",
                &json!({"podMetadata": {
                    "annotations": {"prom-remotewrite/profile": "b"},
                }}),
            ));
        },
        &["its pods are denied"],
    ),
    (
        "no remote write",
        "remote-write",
        |cluster| {
            cluster
                .objects
                .push(object("a", &json!({"remoteWrite": [{"url": "https://example.com"}]})));
        },
        &[
            "nothing in spec.remoteWrite goes to the sidecar",
            "add http://localhost:8081/api/v1/write",
        ],
    ),
    (
        "the wrong port",
        "remote-write",
        |cluster| {
            let url = "http://127.0.0.1:8082/api/v1/write";
            cluster.objects.push(object("a", &json!({"remoteWrite": [{"url": url}]})));
        },
        &["goes to http://127.0.0.1:8082/api/v1/write", "write http://localhost:8081/api/v1/write"],
    ),
    (
        "the wrong port, in a ConfigMap",
        "remote-write",
        |cluster| {
            cluster.objects.push(server("a"));
            cluster.config_maps.push(prometheus_yml("127.0.0.1:8082", "a"));
        },
        &[
            "Deployment b/a: remote_write of its ConfigMap goes to http://127.0.0.1:8082/api/v1/write",
            "write http://localhost:8081/api/v1/write",
        ],
    ),
    (
        "an object of another operator",
        "remote-write",
        |cluster| {
            let mut object = object("a", &json!({"remoteWrite": []}));
            let owner = json!({"controller": true, "kind": "Stack", "name": "a"});
            object["metadata"]["ownerReferences"] = json!([owner]);
            cluster.objects.push(object);
        },
        &["nothing in spec.remoteWrite"],
    ),
    (
        "nobody listens, and containers of the operator are changed",
        "remote-write",
        |cluster| {
            let changed = json!([
                {"name": "prometheus", "image": "prometheus:v3"},
                {"name": "later", "resources": {}},
            ]);
            cluster.objects.push(object("a", &json!({"podMetadata": null, "containers": changed})));
        },
        &["are not annotated for a sidecar", "prom-remotewrite/inject"],
    ),
    (
        "nobody listens",
        "remote-write",
        |cluster| {
            cluster.objects.push(object("a", &json!({"podMetadata": null})));
        },
        &["are not annotated for a sidecar", "prom-remotewrite/inject"],
    ),
];
