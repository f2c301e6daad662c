use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::tests::{config, prometheus};

/// The text afterwards; what it means is what the webhook would have made.
fn check(text: &str, expected: &Expect) -> Injected {
    let injected = inject(&config(), "1.0.0", text).unwrap();
    expected.assert_eq(&shortened(&injected.text));
    assert_same_meaning(text, &injected.text);
    let again = inject(&config(), "1.0.0", &injected.text).unwrap();
    assert_eq!(again.text, injected.text, "a second pass changes something");
    injected
}

/// Without the inside of our container, which the golden pods show.
fn shortened(text: &str) -> String {
    let mut inside = None;
    let mut lines = String::new();
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        if line.trim_start().starts_with("- env:") {
            inside = Some(indent);
            lines = lines + &" ".repeat(indent) + "- SIDECAR\n";
        } else if inside.is_none_or(|column| indent <= column) {
            inside = None;
            lines.push_str(line);
        }
    }
    lines
}

fn assert_same_meaning(before: &str, after: &str) {
    let (before, after) = (documents(before), documents(after));
    assert_eq!(before.len(), after.len());
    for (before, after) in before.into_iter().zip(after) {
        let before: Value = serde_saphyr::from_str(before).unwrap();
        let mut wanted = before.clone();
        for target in targets(&before) {
            let pod = Pod::new(&target.pod);
            let decision = decide(&config(), pod);
            let patch = patch_for(&decision, pod, "1.0.0").unwrap();
            if let Some(patch) = patch {
                json_patch::patch(&mut wanted, &below(&target, patch)).unwrap();
            }
        }
        assert_eq!(serde_saphyr::from_str::<Value>(after).unwrap(), wanted);
    }
}

#[test]
fn a_list_that_ends_its_parent_gets_its_items_first() {
    let text = "\
kind: Pod
metadata:
  annotations:
    prom-remotewrite/inject: 'true'
spec:
  containers:
  - name: prometheus
  volumes:
  - name: data   # kept
";
    let expected = expect![[r"
        kind: Pod
        metadata:
          annotations:
            prom-remotewrite/inject: 'true'
            prom-remotewrite/injected: version=1.0.0 settings=fae78c3bb00f
        spec:
          containers:
          - name: prometheus
          volumes:
          - name: data   # kept
          - emptyDir: {}
            name: prom-remotewrite-no-api-token
          initContainers:
          - SIDECAR
          imagePullSecrets:
          - name: registry
    "]];
    check(text, &expected);
}

#[test]
fn odd_places_of_comments_and_nothing_keep_their_lines() {
    let lists = "\
kind: List
items:
# the-one
- # and - only
  kind: Pod
  spec:
    containers:
    - # the-main one
      name: prometheus
    volumes: [] # none
    imagePullSecrets:
  metadata:
    annotations:
      prom-remotewrite/inject: 'true'
";
    let injected = inject(&config(), "1.0.0", lists).unwrap().text;
    assert_same_meaning(lists, &injected);
    let comments = |text: &str| text.matches('#').count();
    assert_eq!(comments(&injected), comments(lists), "{injected}");
    let lines_end = |text: &str| text.replace('\n', "\r\n");
    let windows = inject(&config(), "1.0.0", &lines_end(lists)).unwrap().text;
    assert_eq!(windows, lines_end(&injected));
}

const TEAM: &str = "\
# A Prometheus for one team.
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: prometheus   # by hand
spec:
  template:
    metadata:
      annotations:
        prom-remotewrite/inject: \"true\"
        # more to come
      labels: {app: prometheus}

    spec:
      containers:
        - image: prom/prometheus:v3.5.0
          name: prometheus
          args: [
            --config.file=/etc/prometheus.yml,
          ]
      # the data
      volumes:
        - name: data
          emptyDir: {}
          # nothing is kept
  serviceName: prometheus
";

#[test]
fn lines_are_inserted_and_all_others_stay() {
    let expected = expect![[r#"
        # A Prometheus for one team.
        apiVersion: apps/v1
        kind: StatefulSet
        metadata:
          name: prometheus   # by hand
        spec:
          template:
            metadata:
              annotations:
                prom-remotewrite/inject: "true"
                prom-remotewrite/injected: version=1.0.0 settings=fae78c3bb00f
                # more to come
              labels: {app: prometheus}

            spec:
              containers:
                - image: prom/prometheus:v3.5.0
                  name: prometheus
                  args: [
                    --config.file=/etc/prometheus.yml,
                  ]
              # the data
              volumes:
                - name: data
                  emptyDir: {}
                  # nothing is kept
                - emptyDir: {}
                  name: prom-remotewrite-no-api-token
              initContainers:
              - SIDECAR
              imagePullSecrets:
              - name: registry
          serviceName: prometheus
    "#]];
    let injected = check(TEAM, &expected);
    assert_eq!(injected.outcomes.len(), 1);
    assert_eq!(
        injected.outcomes[0].to_string(),
        "document 1: StatefulSet prometheus gets a sidecar\n"
    );
}

#[test]
fn documents_that_do_not_ask_are_the_same_bytes() {
    let text = "%YAML 1.2\n---\r\nkind: Pod\r\nmetadata: {name: a}\r\n---\n# only a comment\n--- \n{broken\n---\nkind: X\nprom-remotewrite: 'x'\n...\n";
    let injected = inject(&config(), "1.0.0", text).unwrap();
    assert_eq!(injected.text, text);
    assert!(injected.outcomes.is_empty());
}

const LIST: &str = "\
apiVersion: v1
kind: List
items:
- kind: Pod
  metadata:
    name: one
    annotations: {prom-remotewrite/inject: 'true', prom-remotewrite/sidecar-mode: container}
  spec:
    containers:
    - name: prometheus
- kind: Pod
  metadata:
    name: two
    annotations:
      prom-remotewrite/inject: 'true'
  spec:
    volumes:
    containers: [{name: prometheus}]";

#[test]
fn lists_of_several_pods_and_text_without_an_end() {
    let expected = expect![[r#"
        apiVersion: v1
        kind: List
        items:
        - kind: Pod
          metadata:
            name: one
            annotations: {prom-remotewrite/inject: 'true', prom-remotewrite/sidecar-mode: container, "prom-remotewrite/injected": "version=1.0.0 settings=9a7f3206837c"}
          spec:
            containers:
            - name: prometheus
            - SIDECAR
            volumes:
            - emptyDir: {}
              name: prom-remotewrite-no-api-token
            imagePullSecrets:
            - name: registry
        - kind: Pod
          metadata:
            name: two
            annotations:
              prom-remotewrite/inject: 'true'
              prom-remotewrite/injected: version=1.0.0 settings=fae78c3bb00f
          spec:
            volumes: [{"emptyDir":{},"name":"prom-remotewrite-no-api-token"}]
            containers: [{name: prometheus}]
            initContainers:
            - SIDECAR
            imagePullSecrets:
            - name: registry"#]];
    check(LIST, &expected);
}

#[test]
fn json_stays_json() {
    let pod = prometheus(&[("inject", "true"), ("profile", "application")]);
    for text in [pod.to_string(), serde_json::to_string_pretty(&pod).unwrap() + "\n"] {
        let injected = inject(&config(), "1.0.0", &text).unwrap();
        let value: Value = serde_json::from_str(&injected.text).unwrap();
        assert_eq!(value["spec"]["initContainers"][1]["name"], "prom-remotewrite");
        assert_same_meaning(&text, &injected.text);
        assert!(injected.text.starts_with(&text[..60]));
    }
}

#[test]
fn a_shared_node_is_not_edited_in_place() {
    let text = "\
kind: Deployment
spec:
  template: &pod
    metadata: {annotations: {prom-remotewrite/inject: 'true'}}
    spec: &spec
      containers: [{name: prometheus}]
  other: *spec
";
    let injected = inject(&config(), "1.0.0", text).unwrap();
    assert_same_meaning(text, &injected.text);
    let value: Value = serde_saphyr::from_str(&injected.text).unwrap();
    assert_eq!(value["spec"]["other"], json!({"containers": [{"name": "prometheus"}]}));
}

#[test]
fn modes_written_as_octals_mean_the_same_when_all_is_written_anew() {
    let text = "\
kind: Pod
metadata:
  annotations: {prom-remotewrite/inject: 'true'}
spec:
  containers: [{name: prometheus}]
  volumes: [{name: a, secret: {secretName: a, defaultMode: 0400}}]
  initContainers: &none []
  other: *none
";
    let shared =
        text.replace("initContainers: &none", "some: &none").replace("other", "initContainers");
    let injected = inject(&config(), "1.0.0", &shared).unwrap().text;
    assert!(injected.contains("defaultMode: 256"), "{injected}");
}

#[test]
fn slips_of_the_pen_are_hinted_at() {
    let text = "\
kind: StatefulSet
metadata:
  name: a
  namespace: monitoring
  annotations: {prom-remotewrite/inject: 'true'}
spec: {template: {spec: {containers: []}}}
---
kind: Pod
metadata:
  generateName: b-
  annotations: {prom-remotewrite/inject: true}
";
    let explained = explain::explain(&config(), text).unwrap();
    let texts: Vec<String> = explained.iter().map(ToString::to_string).collect();
    let expected = expect![[r#"
        document 1: StatefulSet monitoring/a stays as it is: it has no annotation prom-remotewrite/inject: "true"
          hint: its pods do not get the annotations in metadata: write them in spec.template.metadata.annotations

        document 2: Pod b- stays as it is: it has no annotation prom-remotewrite/inject: "true"
          hint: write prom-remotewrite/inject: "true" with quotes: Kubernetes takes texts only
    "#]];
    expected.assert_eq(&texts.join("\n"));
}

#[test]
fn what_prometheus_operator_will_make_is_explained() {
    let text = "\
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata:
  name: main
  annotations: {prom-remotewrite/inject: 'true'}
spec: {}
---
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: {name: other}
spec:
  podMetadata: {annotations: {prom-remotewrite/inject: 'true'}}
  containers:
  - name: proxy
    ports: [{containerPort: 8081}]
";
    let texts: Vec<String> =
        explain::explain(&config(), text).unwrap().iter().map(ToString::to_string).collect();
    let expected = expect![[r#"
        document 1: Prometheus main stays as it is: it has no annotation prom-remotewrite/inject: "true"
          hint: its pods do not get the annotations in metadata: write them in spec.podMetadata.annotations
          hint: prometheus-operator makes its pods: the webhook sees them when they are created
        document 2: Prometheus other is denied: cannot inject the remote-write sidecar: port 8081 is taken by container "proxy": set prom-remotewrite/listening-port and the port of remote_write.url to a free one
          hint: prometheus-operator makes its pods: the webhook sees them when they are created
    "#]];
    expected.assert_eq(&texts.join(""));
    let fixed = text.replace("containerPort: 8081", "containerPort: 8082");
    let injected = inject(&config(), "1.0.0", &fixed).unwrap();
    assert_eq!(injected.text, fixed, "there is no pod to write into");
    assert!(matches!(injected.outcomes[1].decision, Decision::Inject(_)));
    let hints = |text: &str| explain::explain(&config(), text).unwrap()[1].outcome.hints.join("; ");
    assert!(hints(&fixed).contains("add http://localhost:8081/api/v1/write"), "{}", hints(&fixed));
    let writes = "spec:\n  remoteWrite: [{url: 'http://127.0.0.1:8081/api/v1/write'}]\n  podM";
    let (first, second) = fixed.split_once("---\n").unwrap();
    let writing = format!("{first}---\n{}", second.replace("spec:\n  podM", writes));
    assert!(!hints(&writing).contains("localhost"), "{}", hints(&writing));
    let system = fixed.replace("{name: other}", "{name: other, namespace: kube-system}");
    assert!(hints(&system).contains("not asked about pods in namespace kube-system"));
}

#[test]
fn every_setting_has_its_source() {
    let pod = prometheus(&[
        ("inject", "true"),
        ("profile", "application"),
        ("log-level", "debug"),
        ("client-id", "33334444-dddd-5555-eeee-6666ffff7777"),
    ]);
    let explained = explain::explain(&config(), &pod.to_string()).unwrap();
    let expected = expect![[r"
        document 1: Pod monitoring/prometheus-kps-kube-prometheus-stack-prometheus-0 gets a sidecar
          annotation     profile                application
          profile        ingestion-url          https://dce-ab12.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-00000000000000000000000000000000/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24
          default        cloud                  AzurePublic
          default        audience               https://monitor.azure.com//.default
          profile        identity-type          aadApplication
          annotation     client-id              33334444-dddd-5555-eeee-6666ffff7777
          profile        tenant-id              aaaabbbb-0000-cccc-1111-dddd2222eeee
          profile        certificate-name       prom-remotewrite-cert
          profile        secret-provider-class  azure-kvname-user-msi
          default        mount-path             /mnt/secrets-store
          default        listening-port         8081
          configuration  image                  ghcr.io/example/prom-remotewrite:1.0.0
          configuration  image-pull-policy      IfNotPresent
          configuration  cpu-request            10m
          configuration  memory-request         16Mi
          configuration  memory-limit           128Mi
          annotation     log-level              debug
          configuration  sidecar-mode           native
          default        response-mode          protective
    "]];
    expected.assert_eq(&explained[0].to_string());
}

#[test]
fn a_denied_pod_is_reported_and_stays() {
    let text = "kind: Pod\nmetadata: {name: a, annotations: {prom-remotewrite/inject: ja}}\n";
    let injected = inject(&config(), "1.0.0", text).unwrap();
    assert!(injected.has_denials());
    assert_eq!(injected.text, text);
    let error = inject(&config(), "1.0.0", "a: 1\n---\n{prom-remotewrite/: [").unwrap_err();
    assert!(error.to_string().starts_with("document 2: "), "{error}");
}

/// The same pod, written in many ways.
fn written(value: &Value, style: &mut impl FnMut() -> bool, column: usize) -> String {
    let indent = " ".repeat(column);
    let block = style();
    match value {
        Value::Object(map) if block && !map.is_empty() => {
            let comment = if style() { format!("{indent}# note\n") } else { String::new() };
            let entries = map.iter().map(|(name, value)| {
                let key = serde_json::to_string(name).unwrap();
                // Items may stand right below their key.
                let deeper = if value.is_array() && style() { 0 } else { 2 };
                format!("{comment}{indent}{key}:{}", nested(value, style, column + deeper))
            });
            entries.collect()
        }
        Value::Array(items) if block && !items.is_empty() => {
            let items = items.iter().map(|item| nested(item, style, column + 2));
            items.fold(String::new(), |text, item| text + &indent + "-" + &item)
        }
        other => format!("{indent}{other}\n"),
    }
}

fn nested(value: &Value, style: &mut impl FnMut() -> bool, column: usize) -> String {
    let text = written(value, style, column);
    let on_lines = matches!(value, Value::Object(_) | Value::Array(_))
        && !text.trim_start().starts_with(['{', '[']);
    if on_lines {
        let tail = if style() { " # here" } else { "" };
        format!("{tail}\n{text}")
    } else {
        format!(" {}", text.trim_start())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn however_it_is_written_it_means_the_same(
        styles in prop::collection::vec(prop::bool::weighted(0.9), 1..40),
        profile in prop::sample::select(vec!["default", "application", "stack"]),
    ) {
        let pod = prometheus(&[("inject", "true"), ("profile", profile)]);
        let mut styles = styles.iter().cycle();
        let text = written(&pod, &mut || *styles.next().unwrap(), 0);
        let before: Value = serde_saphyr::from_str(&text).unwrap();
        prop_assert_eq!(&before, &pod, "{}", text);
        let injected = inject(&config(), "1.0.0", &text).unwrap();
        assert_same_meaning(&text, &injected.text);
        let comments = |text: &str| text.matches("# ").count();
        prop_assert_eq!(comments(&text), comments(&injected.text), "written anew: {}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-{}\\[\\]a:#&*|> \n'\"]{0,60}") {
        let text = format!("{text}\nprom-remotewrite/inject: 'true'");
        let _ = inject(&config(), "1.0.0", &text);
        let _ = explain::explain(&config(), &text);
    }
}
