//! What is found in a cluster, as a table of cases, and how it is shown.

mod authorities;
mod destinations;
mod installation_cases;
mod object_cases;
mod pod_cases;
mod shown;

use serde_json::{Value, json};
use webhook::{
    config::ConfigFile,
    decide::{Decision, decide},
    pod::Pod,
    review,
};

use super::{
    Overview,
    facts::{Figures, FoundCluster, FoundPod, FoundPolicy, FoundWebhook, Unread},
};
use crate::tests::{config_file, prometheus};
use authorities::{AUTHORITIES, AUTHORITY, TRUSTED};
use destinations::DESTINATIONS;
use installation_cases::{INSTALLATION, OPTED_OUT, POLICIES};
use object_cases::OBJECTS;
use pod_cases::PODS;

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600;
const OLD: &str = "2025-12-01T00:00:00Z";
const INSTALLED: &str = "2025-12-15T00:00:00Z";
const RECENT: &str = "2025-12-31T00:00:00Z";

/// A cluster with a webhook that is well.
fn cluster() -> FoundCluster {
    let configuration = json!({
        "metadata": {"name": "prom-remotewrite", "creationTimestamp": INSTALLED},
        "webhooks": [{
            "name": "pods.inject.prom-remotewrite",
            "clientConfig": {
                "caBundle": AUTHORITY.bundle(),
                "service": {"namespace": "monitoring", "name": "webhook"},
            },
        }],
    });
    let deployment = json!({
        "metadata": {"name": "prom-remotewrite-webhook", "namespace": "prom-remotewrite-webhook"},
        "spec": {"replicas": 2},
        "status": {"readyReplicas": 2},
    });
    let mut file = config_file();
    file.config.profiles.retain(|name, _| name == "default");
    let webhook = FoundWebhook {
        configuration,
        file: Some(Ok(file)),
        deployment: Some(deployment),
        missing: Vec::new(),
        replicas: Vec::new(),
    };
    let labels = json!({"kubernetes.io/metadata.name": "monitoring", "team": "metrics"});
    let namespaces = [("monitoring".to_owned(), labels)].into();
    FoundCluster { namespaces, webhooks: vec![webhook], ..FoundCluster::default() }
}

/// Lets the API server ask the webhook by a selector with this requirement alone.
fn select(cluster: &mut FoundCluster, field: &str, key: &str, operator: &str, values: &[&str]) {
    let requirement = json!({"key": key, "operator": operator, "values": values});
    cluster.webhooks[0].configuration["webhooks"][0][field] =
        json!({"matchExpressions": [requirement]});
}

fn file(cluster: &mut FoundCluster) -> &mut ConfigFile {
    cluster.webhooks[0].file.as_mut().unwrap().as_mut().unwrap()
}

/// A pod of kube-prometheus-stack, as it was before the webhook saw it.
fn plain(name: &str, annotations: &[(&str, &str)]) -> FoundPod {
    let mut raw = prometheus(annotations);
    raw["metadata"]["name"] = json!(name);
    raw["metadata"]["namespace"] = json!("monitoring");
    raw["metadata"]["creationTimestamp"] = json!(RECENT);
    raw["status"] = json!({"phase": "Running", "podIP": "10.0.0.1"});
    FoundPod::new(raw).unwrap()
}

/// What the webhook makes of it, running, with these metrics besides those of a
/// sidecar that is well.
fn injected(name: &str, metrics: &[(&str, i64)]) -> FoundPod {
    annotated(name, &[("inject", "true")], metrics)
}

/// The same with two destinations, of which the second one's metrics are given.
fn with_two(name: &str, metrics: &[(&str, i64)]) -> FoundPod {
    let well = [
        ("prom_remotewrite_received_bytes_total", 5_000_000),
        ("prom_remotewrite_last_success_timestamp_seconds", NOW - 40),
        ("prom_remotewrite_token_expiry_timestamp_seconds", NOW + 3_000),
    ];
    let well = well.iter().filter(|(name, _)| metrics.iter().all(|(other, _)| other != name));
    let all: Vec<_> =
        well.chain(metrics).map(|(name, value)| (labelled(name, "tenants"), *value)).collect();
    let all: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    annotated(name, &[("inject", "true"), ("profile", "default,tenants")], &all)
}

/// A metric of a destination, unless it says whose it is.
fn labelled(name: &str, destination: &str) -> String {
    match name.strip_suffix('}') {
        Some(_) if name.contains("destination=") => name.to_owned(),
        Some(labels) => format!("{labels},destination=\"{destination}\"}}"),
        None if name.starts_with("process_") => name.to_owned(),
        None => format!("{name}{{destination=\"{destination}\"}}"),
    }
}

/// The configuration with the profiles of [`with_two`] alone.
fn two_profiles() -> ConfigFile {
    let mut file = config_file();
    file.config.profiles.retain(|name, _| name == "default" || name == "tenants");
    file
}

fn annotated(name: &str, annotations: &[(&str, &str)], metrics: &[(&str, i64)]) -> FoundPod {
    let mut found = plain(name, annotations);
    let decision = decide(&config_file().config, Pod::new(&found.raw));
    assert!(matches!(decision, Decision::Inject(_)));
    let patch = review::patch_for(&decision, &mut found.raw.clone()).unwrap().unwrap();
    json_patch::patch(&mut found.raw, &patch).unwrap();
    found.raw["status"]["initContainerStatuses"] =
        json!([{"name": "prom-remotewrite", "ready": true}]);
    let well = [
        ("process_start_time_seconds", NOW - 90_000),
        ("prom_remotewrite_received_bytes_total", 5_000_000),
        ("prom_remotewrite_last_success_timestamp_seconds", NOW - 12),
        ("prom_remotewrite_token_expiry_timestamp_seconds", NOW + 80_000),
        ("prom_remotewrite_certificate_expiry_timestamp_seconds", 0),
        ("prom_remotewrite_refused_samples_total{reason=\"too_old\"}", 0),
    ];
    let well = well.iter().filter(|(name, _)| metrics.iter().all(|(other, _)| other != name));
    let well = well.map(|(name, value)| (labelled(name, ""), value));
    let others = metrics.iter().map(|(name, value)| ((*name).to_owned(), value));
    let lines = well.chain(others).map(|(name, value)| format!("{name} {value}\n"));
    let text: String = std::iter::once("# TYPE a counter\n".to_owned()).chain(lines).collect();
    found.figures = Some(Figures::parse(&text));
    found
}

/// A sound Prometheus object.
fn object(name: &str, spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": name, "namespace": "monitoring"},
        "spec": {
            "podMetadata": {"annotations": {"prom-remotewrite/inject": "true"}},
            "remoteWrite": [{"url": "http://localhost:8081/api/v1/write"}],
        },
    });
    json_patch::merge(&mut object["spec"], spec);
    object
}

/// A Prometheus without the operator, which reads the `ConfigMap` b/a.
fn server(name: &str) -> Value {
    let mut pod = plain("a", &[("inject", "true")]).raw;
    let volumes = pod["spec"]["volumes"].as_array_mut().unwrap();
    volumes.push(json!({"name": "file", "configMap": {"name": "a"}}));
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "b"},
        "spec": {"template": pod},
    })
}

/// A `ConfigMap` b/a with a Prometheus' configuration.
fn prometheus_yml(listener: &str, cluster: &str) -> Value {
    let file = format!(
        "global:\n  external_labels: {{cluster: {cluster}}}\nscrape_configs: []\nremote_write:\n- url: http://{listener}/api/v1/write\n"
    );
    json!({
        "metadata": {"name": "a", "namespace": "b"},
        "data": {"alerts.yml": "groups: []", "prometheus.yml": file},
    })
}

/// All problems of a cluster with one sidecar that is well besides what a case adds.
fn problems(case: impl FnOnce(&mut FoundCluster)) -> Vec<(String, String)> {
    let mut cluster = cluster();
    cluster.pods.push(injected("well", &[]));
    case(&mut cluster);
    let overview = Overview::new(&[cluster], NOW);
    let kind = |problem: &super::problems::Problem| serde_json::to_value(problem.kind).unwrap();
    let found = overview.problems.iter();
    found
        .map(|one| {
            let text = format!("{}: {} -> {}", one.object, one.message, one.next_step);
            (kind(one).as_str().unwrap().to_owned(), text)
        })
        .collect()
}

/// One broken thing of each kind: which kind of problem it is, and words of what is
/// said.
type Case = (&'static str, &'static str, Change, &'static [&'static str]);
/// What is different from a cluster in which all is well.
type Change = fn(&mut FoundCluster);

fn cases() -> Vec<Case> {
    [PODS, DESTINATIONS, OBJECTS, INSTALLATION, POLICIES, AUTHORITIES].concat()
}

#[test]
fn each_kind_of_problem_is_found_once() {
    for (name, kind, case, words) in cases() {
        let found = problems(case);
        let of_kind: Vec<_> = found.iter().filter(|(found, _)| found == kind).collect();
        // Without a webhook there are two problems: it, and what it leaves.
        let alone = name.contains("webhook") || found.len() == 1;
        assert!(of_kind.len() == 1 && alone, "{name}: {found:#?}");
        for word in words {
            assert!(of_kind[0].1.contains(word), "{name}: no {word:?} in {found:#?}");
        }
    }
}

#[test]
fn a_healthy_sidecar_is_no_problem() {
    let cases: [(&str, Change); 11] = [
        ("nothing else", |_| {}),
        ("denied where no webhook is asked", |cluster| {
            select(cluster, "namespaceSelector", "team", "DoesNotExist", &[]);
            let refused =
                json!({"podMetadata": {"annotations": {"prom-remotewrite/profile": "no"}}});
            cluster.objects.push(object("a", &refused));
        }),
        ("opted out", |cluster| cluster.pods.push(plain("a", &[("inject", "false")]))),
        ("not asked for", |cluster| cluster.pods.push(plain("a", &[]))),
        ("it has ended", |cluster| {
            let mut pod = plain("a", &[("inject", "true")]);
            pod.raw["status"]["phase"] = json!("Failed");
            cluster.pods.extend(FoundPod::new(pod.raw));
        }),
        ("it is being removed", |cluster| {
            let mut pod = plain("a", &[("inject", "true")]);
            pod.raw["metadata"]["deletionTimestamp"] = json!(RECENT);
            cluster.pods.extend(FoundPod::new(pod.raw));
        }),
        ("it has just started", |cluster| {
            let mut pod = injected("a", &[("prom_remotewrite_token_expiry_timestamp_seconds", 0)]);
            pod.raw["metadata"]["creationTimestamp"] = json!("2025-12-31T23:59:00Z");
            cluster.pods.push(pod);
        }),
        ("a sound Prometheus without the operator", |cluster| {
            cluster.objects.push(server("a"));
            cluster.config_maps.push(prometheus_yml("localhost:8081", "a"));
        }),
        ("a sound Prometheus", |cluster| cluster.objects.push(object("a", &json!({})))),
        ("the operator's StatefulSet has its object's annotations", |cluster| {
            let pod = plain("a", &[]).raw;
            cluster.objects.push(json!({
                "kind": "StatefulSet",
                "metadata": {
                    "name": "a", "annotations": {"prom-remotewrite/inject": "true"},
                    "ownerReferences": [{"controller": true, "kind": "Prometheus", "name": "a"}],
                },
                "spec": {"template": {"metadata": {}, "spec": pod["spec"]}},
            }));
        }),
        ("another proxy beside Prometheus", |cluster| {
            let proxy = json!([{"name": "proxy", "image": "proxy"}]);
            cluster.objects.push(object("a", &json!({"podMetadata": null, "containers": proxy})));
        }),
    ];
    for (name, case) in cases.into_iter().chain(TRUSTED).chain([OPTED_OUT]) {
        assert_eq!(problems(case), [], "{name}");
    }
}

#[test]
fn a_part_of_a_cluster_says_nothing_of_profiles() {
    let found = problems(|cluster| {
        *file(cluster) = config_file();
        cluster.namespace = Some("monitoring".to_owned());
    });
    assert_eq!(found, []);
}

/// In one cluster another label tells two Prometheus apart.
#[test]
fn one_label_for_two_clusters_is_a_problem() {
    let spec = |label: &str| json!({"externalLabels": {"cluster": label}});
    let of = |context: &str, label: &str| FoundCluster {
        context: Some(context.to_owned()),
        objects: vec![object("k8s", &spec(label))],
        ..cluster()
    };
    let found = |clusters: &[FoundCluster]| Overview::new(clusters, NOW).problems;
    let both = found(&[of("west", "prod"), of("east", "prod")]);
    let [problem] = both.as_slice() else { panic!("{both:#?}") };
    assert_eq!(problem.object, "Prometheus monitoring/k8s");
    assert_eq!(problem.context.as_deref(), Some("west"));
    let expected = "it has the same (\"prod\") external label cluster, and so has Prometheus monitoring/k8s of east, and all write to one workspace";
    assert_eq!(problem.message, expected);
    let three = found(&["west", "east", "north"].map(|context| of(context, "prod")));
    let [problem] = three.as_slice() else { panic!("{three:#?}") };
    let all = "so have Prometheus monitoring/k8s of east, Prometheus monitoring/k8s of north, and";
    assert!(problem.message.contains(all), "{problem:#?}");
    let bad = |clusters: &[FoundCluster]| Overview::new(clusters, NOW).is_bad();
    assert!(!bad(&[of("west", "prod"), of("east", "other")]));
    let plain = |context: &str| FoundCluster {
        objects: vec![server("a")],
        config_maps: vec![prometheus_yml("localhost:8081", "prod")],
        ..of(context, "")
    };
    assert!(bad(&[plain("west"), of("east", "prod")]), "without the operator");
    let none = FoundCluster { objects: vec![object("k8s", &json!({}))], ..of("east", "") };
    let also = FoundCluster {
        context: Some("west".to_owned()),
        objects: none.objects.clone(),
        ..cluster()
    };
    assert!(bad(&[none, also]), "no label at all");
    let mut objects = vec![object("a", &spec("prod")), object("b", &spec("prod"))];
    assert!(!bad(&[FoundCluster { objects: objects.clone(), ..cluster() }]), "one cluster");
    for (number, object) in objects.iter_mut().enumerate() {
        object["metadata"]["uid"] = json!(number.to_string());
    }
    let of = |context| FoundCluster { objects: objects.clone(), ..of(context, "prod") };
    assert!(!bad(&[of("west"), of("same")]), "one cluster by two contexts");
    let mut other = of("east");
    other.objects[0]["metadata"]["uid"] = json!("2");
    other.objects.truncate(1);
    assert!(bad(&[of("west"), of("same"), other]));
}
