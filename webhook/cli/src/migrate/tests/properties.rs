//! What holds for whatever people have put together.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

const URL: &str = "https://team-a-ab12.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";
const ID: &str = "33333333-0000-0000-0000-000000000000";

/// Variables that people set, some of them in ways that cannot be carried over.
fn variables() -> impl Strategy<Value = Vec<Value>> {
    let named = |name: &str, value: &str| json!({"name": name, "value": value});
    let reference = json!({"secretKeyRef": {"name": "a", "key": "b"}});
    let url = [named("INGESTION_URL", URL), named("INGESTION_URL", "<INGESTION_URL>")];
    let kinds = ["userAssigned", "systemAssigned", "aadApplication", "workloadIdentity"];
    let kind = kinds.map(|kind| named("IDENTITY_TYPE", kind));
    let client = [
        named("AZURE_CLIENT_ID", ID),
        named("AZURE_CLIENT_ID", "${CLIENT}"),
        json!({"name": "AZURE_CLIENT_ID", "valueFrom": reference}),
    ];
    let rest = vec![
        named("AZURE_TENANT_ID", "${TENANT}"),
        named("MDM_CERT_PATH", "/mnt/secrets-store/team-a"),
        named("LISTENING_PORT", "9201"),
        named("CLUSTER", "yes: #1"),
        named("CLOUD", "AZURE_GOVERNMENT"),
        json!({"name": "TRACE_LOGGING", "value": true}),
        named("SOMETHING", "$(CLUSTER)"),
        json!({"name": "EMPTY"}),
    ];
    let length = rest.len();
    let one = prop::sample::select;
    let all = (one(url.to_vec()), one(kind.to_vec()), one(client.to_vec()));
    (all, prop::sample::subsequence(rest, 0..=length)).prop_map(
        |((url, kind, client), mut rest)| {
            rest.extend([url, kind, client]);
            rest
        },
    )
}

/// Other parts of the container.
fn extras() -> impl Strategy<Value = Map<String, Value>> {
    let pool = vec![
        ("image", json!("mcr.microsoft.com/x/prometheus-remote-write/images:1")),
        ("ports", json!([{"name": "rw-port", "containerPort": 8081}, {"containerPort": 1}])),
        ("volumeMounts", json!([{"name": "certificate", "mountPath": "/mnt/secrets-store"}])),
        ("resources", json!({"limits": {"cpu": "1", "memory": "64Mi"}, "requests": {"cpu": 2}})),
        ("readinessProbe", json!({"httpGet": {"path": "/ready", "port": "rw-port"}})),
        ("args", json!(["-v"])),
        ("envFrom", json!([])),
        ("securityContext", json!(null)),
    ];
    prop::sample::subsequence(pool, 0..=8)
        .prop_map(|parts| parts.into_iter().map(|(key, part)| (key.to_owned(), part)).collect())
}

fn specification() -> impl Strategy<Value = Value> {
    let volume = json!({"name": "certificate", "csi": {"driver": "secrets-store.csi.k8s.io",
        "readOnly": true, "volumeAttributes": {"secretProviderClass": "vault"}}});
    let volumes =
        prop::sample::subsequence(vec![volume, json!({"name": "data", "emptyDir": {}})], 0..=2);
    let label = prop::bool::ANY;
    (variables(), extras(), volumes, label, 0..3_usize).prop_map(
        |(env, mut container, volumes, label, place)| {
            container.insert("name".to_owned(), "prom-remotewrite".into());
            container.insert("env".to_owned(), env.into());
            let mut containers = vec![
                json!({"name": "one"}),
                json!({"name": "two", "env": [{"name": "A", "value": "b"}]}),
            ];
            containers.insert(place, container.into());
            let mut spec = json!({"containers": containers, "replicas": 2,
            "remoteWrite": [{"url": "http://localhost:8081/api/v1/write", "name": "azure"}]});
            if !volumes.is_empty() {
                spec["volumes"] = volumes.into();
            }
            if label {
                spec["podMetadata"] = json!({"labels": {"azure.workload.identity/use": "true"}});
            }
            spec
        },
    )
}

/// What is nobody's but the author's.
fn others(spec: &Value) -> Value {
    let mut spec = spec.clone();
    let object = spec.as_object_mut().unwrap();
    let theirs = |list: &Value, names: &[&str]| -> Value {
        let items = list.as_array().into_iter().flatten();
        items.filter(|item| names.iter().any(|name| item["name"] == *name)).cloned().collect()
    };
    let containers = theirs(&object["containers"], &["one", "two"]);
    object.insert("containers".to_owned(), containers);
    let volumes = theirs(object.get("volumes").unwrap_or(&Value::Null), &["data"]);
    object.insert("volumes".to_owned(), volumes);
    let labels = object.get("podMetadata").map(|metadata| metadata["labels"].clone());
    object.insert("podMetadata".to_owned(), labels.unwrap_or_default());
    object.remove("remoteWrite");
    spec
}

proptest! {
    #[test]
    fn all_or_nothing_and_nothing_else(spec in specification(), in_values: bool, in_json: bool) {
        let whole = if in_values {
            json!({"prometheus": {"prometheusSpec": spec}, "x": "kept"})
        } else {
            json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "spec": spec})
        };
        let text = if in_json {
            format!("{whole:#}\n")
        } else {
            serde_saphyr::to_string(&whole).unwrap()
        };
        let migration = migrated(&text);
        prop_assert_eq!(migration.attempts.len(), 1);
        let after = read(&migration.text).unwrap();
        let path = if in_values { "/prometheus/prometheusSpec" } else { "/spec" };
        let after_spec = after.pointer(path).unwrap();
        prop_assert_eq!(others(after_spec), others(&spec));
        match &migration.attempts[0].result {
            Err(reasons) => {
                prop_assert!(!reasons.is_empty());
                prop_assert_eq!(&migration.text, &text);
            }
            Ok(migrated) => {
                prop_assert_eq!(&after_spec["podMetadata"]["annotations"]["prom-remotewrite/inject"], "true");
                prop_assert!(!migration.text.contains("INGESTION_URL"));
                // What the webhook's container will not have is named.
                let container = spec["containers"].as_array().unwrap().iter()
                    .find(|container| container["name"] == "prom-remotewrite").unwrap();
                let has = |name: &str| {
                    container["env"].as_array().unwrap().iter().any(|one| one["name"] == name)
                };
                let is_lost = |what: &str| migrated.lost.iter().any(|lost| lost.starts_with(what));
                prop_assert_eq!(is_lost("env, SOMETHING:"), has("SOMETHING"));
                prop_assert_eq!(is_lost("env, EMPTY:"), has("EMPTY"));
                prop_assert_eq!(is_lost("args:"), container.get("args").is_some());
                let config = read(&migration.profiles.values()).unwrap();
                prop_assert!(config["config"]["profiles"]["default"].is_object());
            }
        }
        let again = migrated(&migration.text);
        prop_assert_eq!(again.text, migration.text);
    }

    #[test]
    fn no_text_is_too_strange(text in "(prom-remotewrite|azuread|[a-z:{}\\[\\]\\-|&*#'\" \n]){0,40}") {
        if let Ok(migration) = migrate(&text, Profiles::new("default", "").unwrap()) {
            prop_assert!(!migration.text.is_empty() || text.is_empty());
        }
    }
}
