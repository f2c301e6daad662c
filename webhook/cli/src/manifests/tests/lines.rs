//! Texts of every style, before and after.

use expect_test::expect;

use super::*;

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
            prom-remotewrite/injected: version=1.0.0 settings=4a89644900db
        spec:
          containers:
          - name: prometheus
          volumes:
          - name: data   # kept
          - downwardAPI: {}
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
    let injected = inject(&config_file(), lists).unwrap().text;
    assert_same_meaning(lists, &injected);
    let comments = |text: &str| text.matches('#').count();
    assert_eq!(comments(&injected), comments(lists), "{injected}");
    let lines_end = |text: &str| text.replace('\n', "\r\n");
    let windows = inject(&config_file(), &lines_end(lists)).unwrap().text;
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
                prom-remotewrite/injected: version=1.0.0 settings=4a89644900db
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
                - downwardAPI: {}
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
    let injected = inject(&config_file(), text).unwrap();
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
            annotations: {prom-remotewrite/inject: 'true', prom-remotewrite/sidecar-mode: container, "prom-remotewrite/injected": "version=1.0.0 settings=c0fa8b8c42c9"}
          spec:
            containers:
            - name: prometheus
            - SIDECAR
            volumes:
            - downwardAPI: {}
              name: prom-remotewrite-no-api-token
            imagePullSecrets:
            - name: registry
        - kind: Pod
          metadata:
            name: two
            annotations:
              prom-remotewrite/inject: 'true'
              prom-remotewrite/injected: version=1.0.0 settings=4a89644900db
          spec:
            volumes: [{"downwardAPI":{},"name":"prom-remotewrite-no-api-token"}]
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
        let injected = inject(&config_file(), &text).unwrap();
        let value: Value = serde_json::from_str(&injected.text).unwrap();
        assert_eq!(value["spec"]["initContainers"][1]["name"], "prom-remotewrite");
        assert_same_meaning(&text, &injected.text);
        assert!(injected.text.starts_with(&text[..60]));
    }
}

#[test]
fn a_shared_node_is_not_edited_and_the_edit_is_named() {
    let text = "\
kind: Deployment
spec:
  template: &pod
    metadata: {annotations: {prom-remotewrite/inject: 'true'}}
    spec: &spec
      containers: [{name: prometheus}]
  other: *spec
";
    let error = inject(&config_file(), text).unwrap_err().to_string();
    let start =
        "document 1: it cannot be edited in place because of an alias, the first at line 7; ";
    assert!(error.starts_with(start), "{error}");
    let (_, additions) = error.split_once('\n').unwrap();
    let patch: Patch = serde_saphyr::from_str(additions).unwrap();
    let mut value: Value = serde_saphyr::from_str(text).unwrap();
    json_patch::patch(&mut value, &patch).unwrap();
    let pod = &value["spec"]["template"];
    assert_eq!(decide(&config_file().config, Pod::new(pod)).reason(), "already_injected");
}
