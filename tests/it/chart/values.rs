//! Values for the chart: the defaults, the examples, and everything that can be set.

use std::fs;

use serde_json::{Value, json};
use webhook::config::Config;

use super::{helm, objects, schema};

const CA: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

/// Everything that can be set, set.
fn everything() -> Value {
    json!({
        "nameOverride": "rw",
        "commonLabels": {"team": "metrics", "app.kubernetes.io/name": "other"},
        "images": {
            "registry": "mirror.example:5000/azure/",
            "tag": "1.2.3",
            "pullPolicy": "Always",
            "pullSecrets": ["mirror"],
            "sidecar": {"digest": format!("sha256:{}", "0".repeat(64))},
            "webhook": {"registry": "other.example", "repository": "a/webhook", "tag": "2"},
        },
        "config": {
            "imagePullPolicy": "Always",
            "imagePullSecrets": ["mirror"],
            "sidecarMode": "container",
            "resources": {"limits": {"memory": "64Mi"}},
            "profiles": {"one": {"identityType": "systemAssigned", "maxInFlightBytes": 33_554_432}},
            "policy": {"overridable": ["ingestion-url"], "ingestionHosts": ["dce.example"]},
        },
        "webhook": webhook(),
        "certificates": {"rotate": {
            "validity": "30d", "settle": "1m", "overlap": "2h",
            "logLevel": "debug", "logFormat": "logfmt",
            "priorityClassName": "system-node-critical",
            "nodeSelector": {"pool": "system"}, "tolerations": [{"operator": "Exists"}],
            "affinity": {"podAffinity": {}},
            "podLabels": {"team": "others"},
            "podAnnotations": {"note": "x"},
            "deploymentAnnotations": {"note": "x"},
            "extraArgs": ["--overlap=3h"],
            "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
            "serviceAccount": {"annotations": {"note": "x"}},
        }},
        "identityBindings": [{
            "clientId": "22223333-cccc-4444-dddd-5555eeee6666",
            "serviceAccounts": [{"namespace": "monitoring", "name": "prometheus"}],
        }],
        "podDisruptionBudget": {"maxUnavailable": "50%"},
        "networkPolicy": {
            "webhookFrom": [{"ipBlock": {"cidr": "192.0.2.1/32"}}],
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        },
    })
}

/// Everything that can be set of the webhook.
fn webhook() -> Value {
    json!({
        "replicas": 3,
        "port": 10250,
        "adminPort": 9090,
        "logLevel": "debug",
        "logFormat": "json",
        "failurePolicy": "Ignore",
        "timeoutSeconds": 10,
        "excludedNamespaces": ["gatekeeper-system", "kube-system"],
        "namespaceSelector": [{"key": "team", "operator": "In", "values": ["metrics"]}],
        "objectSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
        "resources": {"requests": {"cpu": 0.5}},
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "dnsPolicy": "Default",
        "clientCA": {"configMapName": "kube-root-ca.crt"},
        "topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
        }],
        "updateStrategy": {"type": "Recreate"},
        "podLabels": {"sidecar.istio.io/inject": "true", "team": "others"},
        "podAnnotations": {"note": "x", "linkerd.io/inject": "enabled"},
        "deploymentAnnotations": {"note": "x"},
        "serviceAnnotations": {"note": "x"},
        "configurationAnnotations": {"note": "x"},
        "extraArgs": ["--shutdown-delay=15s"],
        "extraEnv": [{"name": "GOGC", "value": "1"}],
        "extraVolumes": [{"name": "extra", "configMap": {"name": "extra"}}],
        "extraVolumeMounts": [{"name": "extra", "mountPath": "/extra"}],
        "serviceAccount": {"annotations": {"note": "x"}},
    })
}

pub(super) fn value_sets() -> Vec<(String, Value)> {
    let mut sets = vec![
        ("defaults".to_owned(), json!({})),
        ("everything".to_owned(), everything()),
        (
            "provided".to_owned(),
            json!({"certificates": {"mode": "provided", "provided": {"secretName": "own", "caBundle": CA}}}),
        ),
        (
            "least".to_owned(),
            json!({
                "webhook": {"replicas": 1},
                "podDisruptionBudget": {"enabled": false},
                "networkPolicy": {"enabled": false},
            }),
        ),
    ];
    sets.extend(examples());
    sets
}

pub(super) fn examples() -> Vec<(String, Value)> {
    let mut examples = Vec::new();
    for entry in fs::read_dir(helm::examples().join("profiles")).unwrap() {
        let file = entry.unwrap().path();
        let values: Value = serde_saphyr::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        examples.push((file.file_name().unwrap().display().to_string(), values));
    }
    assert_eq!(examples.len(), 6, "one for each identity, two for applications, two workspaces");
    examples
}

/// Helm reads `off` without quotes as false, as YAML 1.1 does.
#[tokio::test]
async fn off_is_off_with_and_without_quotes() {
    let Some(helm) = helm::Helm::find("off_is_off_with_and_without_quotes") else { return };
    for (action, expected) in [(json!("off"), false), (json!(false), false), (json!("warn"), true)]
    {
        let values = json!({"validatingAdmissionPolicy": {"action": action}});
        let rendered = helm.template(("one", "two"), &values, &[]).await.unwrap();
        let is_policy = |object: &Value| object["kind"] == "ValidatingAdmissionPolicy";
        assert_eq!(rendered.iter().any(is_policy), expected, "{action}");
    }
}

/// YAML reads `456` and `1e5` as numbers, and a Service's name has no dots.
#[tokio::test]
async fn names_stay_texts_whatever_they_look_like() {
    const TEST: &str = "names_stay_texts_whatever_they_look_like";
    let Some(helm) = helm::Helm::find(TEST) else { return };
    let named = json!({"nameOverride": "1", "fullnameOverride": "1e5"});
    for (release, values) in [("7", named), ("my.release", json!({}))] {
        let rendered = helm.template((release, "456"), &values, &[]).await.unwrap();
        for object in &rendered {
            let metadata = &object["metadata"];
            let name = metadata["name"].as_str().unwrap_or_else(|| panic!("{metadata:#}"));
            let is_service = object["kind"] == "Service";
            assert!(!is_service || !name.contains('.'), "{name}");
            let namespace = &metadata["namespace"];
            assert!(namespace.is_null() || namespace.is_string(), "{metadata:#}");
            for (key, label) in metadata["labels"].as_object().into_iter().flatten() {
                assert!(label.is_string(), "{key}: {metadata:#}");
            }
            let selector = &object["spec"]["selector"];
            let labels = selector.get("matchLabels").unwrap_or(selector);
            for (key, label) in labels.as_object().into_iter().flatten() {
                assert!(!label.is_number(), "{key}: {selector:#}");
            }
        }
    }
}

/// Helm reads a number of a file as a float, and one of `--set` as an integer.
#[tokio::test]
async fn every_number_can_be_given_on_the_command_line() {
    const TEST: &str = "every_number_can_be_given_on_the_command_line";
    let Some(helm) = helm::Helm::find(TEST) else { return };
    let text = fs::read_to_string(helm::chart().join("values.yaml")).unwrap();
    let values: Value = serde_saphyr::from_str(&text).unwrap();
    let all = values.as_object().unwrap().iter().flat_map(|(key, value)| paths(key, value));
    let number = |path: &str| {
        let mut steps = path.split('.');
        steps.try_fold(&values, |value, step| value.get(step))?.as_u64()
    };
    let numbers: Vec<_> =
        all.filter_map(|path| number(&path).map(|number| (path, number))).collect();
    assert!(numbers.iter().any(|(path, _)| path == "webhook.port"), "{numbers:?}");
    for (path, number) in numbers {
        // Another number, which all of them accept, and their own.
        for number in [number, number + 1] {
            let values = format!("webhook.replicas=4,{path}={number}");
            let more = ["--set", &values];
            let rendered = helm.template(("one", "two"), &json!({}), &more).await;
            rendered.unwrap_or_else(|failure| panic!("{values}: {failure}"));
        }
    }
    let same = ["--set", "webhook.port=9000,webhook.adminPort=9000"];
    let refused = helm.template(("one", "two"), &json!({}), &same).await.unwrap_err().to_string();
    assert!(refused.contains("are both 9000"), "{refused}");
}

/// They would be two objects of one name, of which the API server keeps one.
#[tokio::test]
async fn an_identity_with_two_bindings_is_refused() {
    const TEST: &str = "an_identity_with_two_bindings_is_refused";
    let Some(helm) = helm::Helm::find(TEST) else { return };
    let id = "22223333-cccc-4444-dddd-5555eeee6666";
    let binding = |id: &str, account: &str| json!({"clientId": id, "serviceAccounts": [{"namespace": "a", "name": account}]});
    for again in [id.to_owned(), id.to_uppercase()] {
        let values = json!({"identityBindings": [binding(id, "one"), binding(&again, "two")]});
        let refused = helm.template(("one", "two"), &values, &[]).await.unwrap_err().to_string();
        let expected = format!("identityBindings has two entries with clientId {again}");
        assert!(refused.contains(&expected), "{refused}");
    }
}

/// With `--reuse-values`, a change of the mode has the values of the former one.
#[tokio::test]
async fn values_of_another_certificate_mode_have_no_effect() {
    const TEST: &str = "values_of_another_certificate_mode_have_no_effect";
    let Some(helm) = helm::Helm::find(TEST) else { return };
    let former = json!({
        "provided": {"secretName": "own", "caBundle": CA},
        "certManager": {"issuerRef": {"name": "ca", "kind": "ClusterIssuer"}},
    });
    for (mode, without) in [
        ("rotate", ["provided", "certManager"].as_slice()),
        ("certManager", &["provided"]),
        ("provided", &["certManager"]),
    ] {
        let mut certificates = former.clone();
        certificates["mode"] = json!(mode);
        let template = async |certificates: &Value| {
            let values = json!({"certificates": certificates});
            helm.template(("one", "two"), &values, &[]).await.unwrap()
        };
        let with = template(&certificates).await;
        for key in without {
            certificates.as_object_mut().unwrap().remove(*key);
        }
        assert_eq!(template(&certificates).await, with, "{mode}");
    }
}

/// `path` and all paths below it.
fn paths(path: &str, value: &Value) -> Vec<String> {
    let below = value.as_object().into_iter().flatten();
    let below = below.flat_map(|(key, value)| paths(&format!("{path}.{key}"), value));
    [path.to_owned()].into_iter().chain(below).collect()
}

/// Helm takes a default out where values have `null`, and a line `profiles:` without
/// anything below it is one.
#[tokio::test]
async fn a_value_that_is_taken_out_is_missed_or_not_needed() {
    const TEST: &str = "a_value_that_is_taken_out_is_missed_or_not_needed";
    let Some(helm) = helm::Helm::find(TEST) else { return };
    let text = fs::read_to_string(helm::chart().join("values.yaml")).unwrap();
    let values: Value = serde_saphyr::from_str(&text).unwrap();
    let all = values.as_object().unwrap().iter().flat_map(|(key, value)| paths(key, value));
    // A key with dots cannot be said as a path.
    for path in all.filter(|path| !path.contains('/')) {
        match helm.template(("one", "two"), &schema::at(&path, &Value::Null), &[]).await {
            Ok(rendered) => {
                let parsed = objects::of_kind(&rendered, "ConfigMap");
                let text = objects::text(parsed, "/data/config.yaml");
                Config::parse(text).unwrap_or_else(|errors| panic!("{path}: {errors:?}"));
                for object in &rendered {
                    let text = object.to_string();
                    for bad in ["=\",", "=\"]", ":\",", ":\"]", "//:", "=<nil>", "Port\":null"] {
                        assert!(!text.contains(bad), "{path}: {bad} in {object:#}");
                    }
                }
            }
            Err(failure) => {
                let last = path.rsplit('.').next().unwrap();
                let missing = format!("missing property '{last}'");
                assert!(failure.to_string().contains(&missing), "{path}: {failure}");
            }
        }
    }
}
