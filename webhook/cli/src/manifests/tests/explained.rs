//! Reports about pods in files.

use expect_test::expect;

use super::*;

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
    let explained = explain::explain(&config_file(), text).unwrap();
    let texts: Vec<String> = explained.iter().map(ToString::to_string).collect();
    let expected = expect![[r#"
        document 1: StatefulSet monitoring/a is unchanged: it has no annotation prom-remotewrite/inject: "true"
          hint: its pods do not get the annotations in metadata: write them in spec.template.metadata.annotations

        document 2: Pod b- is unchanged: it has no annotation prom-remotewrite/inject: "true"
          hint: write prom-remotewrite/inject: "true" with quotes: Kubernetes accepts only strings
    "#]];
    expected.assert_eq(&texts.join("\n"));
}

/// YAML 1.1, as kubectl reads it: sigs.k8s.io/yaml knows `yes`, `Yes` and `YES`.
#[test]
fn booleans_are_those_of_kubectl() {
    let hints = |word: &str| {
        let text = format!(
            "kind: Pod\nmetadata: {{name: a, annotations: {{a: é, prom-remotewrite/inject: {word}}}}}\nspec: {{containers: [{{name: a}}]}}\n"
        );
        explain::explain(&config_file(), &text).unwrap()[0].outcome.hints.clone()
    };
    for word in ["y", "Y", "yes", "Yes", "NO", "on", "Off", "true", "True", "TRUE"] {
        assert!(hints(word).join("").contains("with quotes"), "{word}");
    }
    for word in ["TrUe", "tRUE", "yEs", "oN", "oFF", "'true'", "!!str y", "\"TrUe\""] {
        assert_eq!(hints(word), Vec::<String>::new(), "{word}");
    }
    let text = "kind: Pod\nmetadata:\n  annotations: {prom-remotewrite/inject: TrUe} # so\nspec:\n  containers:\n  - name: a\n";
    let injected = inject(&config_file(), text).unwrap();
    assert!(
        matches!(injected.outcomes[0].decision, Decision::Inject(_)),
        "{:?}",
        injected.outcomes
    );
    assert!(injected.text.contains("inject: TrUe"), "{}", injected.text);
}

#[test]
fn pods_of_prometheus_operator_are_explained() {
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
        explain::explain(&config_file(), text).unwrap().iter().map(ToString::to_string).collect();
    let expected = expect![[r#"
        document 1: Prometheus main is unchanged: it has no annotation prom-remotewrite/inject: "true"
          hint: its pods do not get the annotations in metadata: write them in spec.podMetadata.annotations
          hint: prometheus-operator creates its pods: the webhook sees them when they are created
        document 2: Prometheus other is denied: cannot inject the remote-write sidecar: port 8081 is taken by container "proxy": set prom-remotewrite/listening-port and the port of remote_write.url to a free one
          hint: prometheus-operator creates its pods: the webhook sees them when they are created
    "#]];
    expected.assert_eq(&texts.join(""));
    let fixed = text.replace("containerPort: 8081", "containerPort: 8082");
    let injected = inject(&config_file(), &fixed).unwrap();
    assert_eq!(injected.text, fixed, "there is no pod to write into");
    assert!(matches!(injected.outcomes[1].decision, Decision::Inject(_)));
    let hints =
        |text: &str| explain::explain(&config_file(), text).unwrap()[1].outcome.hints.join("; ");
    assert!(hints(&fixed).contains("add http://localhost:8081/api/v1/write"), "{}", hints(&fixed));
    let writes = "spec:\n  remoteWrite: [{url: 'http://127.0.0.1:8081/api/v1/write'}]\n  podM";
    let (first, second) = fixed.split_once("---\n").unwrap();
    let writing = format!("{first}---\n{}", second.replace("spec:\n  podM", writes));
    assert!(!hints(&writing).contains("localhost"), "{}", hints(&writing));
    let system = fixed.replace("{name: other}", "{name: other, namespace: kube-system}");
    let explained = explain::explain(&config_file(), &system).unwrap()[1].to_string();
    let headline = "kube-system/other is unchanged: the webhook is not called for pods";
    assert!(explained.contains(headline), "{explained}");
}

#[test]
fn the_operators_own_containers_have_their_ports() {
    let denied = |spec: &str, port: &str| {
        let text = format!(
            "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusAgent\nmetadata: {{name: a}}\nspec: {{{spec}podMetadata: {{annotations: {{prom-remotewrite/inject: 'true', prom-remotewrite/listening-port: '{port}'}}}}}}\n"
        );
        let explained = explain::explain(&config_file(), &text).unwrap();
        if explained[0].is_bad() { explained[0].to_string() } else { String::new() }
    };
    assert!(denied("", "9090").contains("port 9090 is taken by container \"prometheus\""));
    assert!(denied("", "8080").contains("port 8080 is taken by container \"config-reloader\""));
    assert_eq!(denied("", "8081"), "");
    assert_eq!(denied("listenLocal: true, ", "9090"), "", "no port is declared");
}

/// Two destinations: each with its URL, its settings and where they come from.
#[test]
fn each_destination_is_explained() {
    let annotations =
        [("inject", "true"), ("profile", "default, tenants"), ("response-mode", "transparent")];
    let explained =
        explain::explain(&config_file(), &prometheus(&annotations).to_string()).unwrap();
    let text = explained[0].to_string();
    let (unnamed, tenants) = text.split_once("  destination tenants: ").unwrap();
    assert!(unnamed.contains(
        "  destination without a name: remote_write.url is http://localhost:8081/api/v1/write\n"
    ));
    let words = |text: &str| -> Vec<Vec<String>> {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        text.lines().map(words).collect()
    };
    let says = |text: &str, line: &str| {
        let line: Vec<String> = line.split(' ').map(str::to_owned).collect();
        assert!(words(text).contains(&line), "{line:?} is not in {text}");
    };
    says(unnamed, "annotation profile default");
    says(unnamed, "annotation response-mode transparent");
    says(unnamed, "configuration image ghcr.io/example/prom-remotewrite:1.0.0");
    let expected = expect![[r"
        remote_write.url is http://localhost:8081/tenants/api/v1/write
          annotation     profile                tenants
          profile        ingestion-url          https://dce-cd34.chinanorth3-1.metrics.ingest.monitor.azure.cn/dataCollectionRules/dcr-11111111111111111111111111111111/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24
          profile        cloud                  AzureChina
          default        audience               https://monitor.azure.cn//.default
          profile        identity-type          aadApplication
          profile        client-id              33334444-dddd-5555-eeee-6666ffff7777
          profile        tenant-id              bbbbcccc-1111-dddd-2222-eeee3333ffff
          profile        certificate-name       tenants-cert
          profile        secret-provider-class  azure-kvname-tenants
          default        mount-path             /mnt/secrets-store-tenants
          profile        response-mode          transparent
    "]];
    expected.assert_eq(tenants);
}

#[test]
fn a_prometheus_should_write_to_each_destination() {
    let hints = |profile: &str, urls: &[&str]| {
        let writes: Vec<String> = urls.iter().map(|url| format!("{{url: '{url}'}}")).collect();
        let text = format!(
            "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {{name: a}}\nspec:\n  podMetadata: {{annotations: {{prom-remotewrite/inject: 'true', prom-remotewrite/profile: '{profile}'}}}}\n  remoteWrite: [{}]\n",
            writes.join(", ")
        );
        let hints = explain::explain(&config_file(), &text).unwrap()[0].outcome.hints.clone();
        hints.into_iter().filter(|hint| hint.contains("remoteWrite")).collect::<Vec<_>>()
    };
    let (first, second) =
        ("http://localhost:8081/api/v1/write", "http://127.0.0.1:8081/tenants/api/v1/write");
    let both = "default,tenants";
    assert_eq!(hints(both, &[first, second]), [""; 0]);
    assert_eq!(hints(both, &["https://elsewhere.example/", second, first]), [""; 0]);
    assert_eq!(
        hints(both, &[first]),
        [
            "nothing in spec.remoteWrite goes to destination tenants: add http://localhost:8081/tenants/api/v1/write"
        ]
    );
    let misspelt = "http://localhost:8081/tenant/api/v1/write";
    assert_eq!(
        hints(both, &[first, misspelt]),
        [format!(
            "spec.remoteWrite goes to {misspelt}, where the sidecar does not listen: write http://localhost:8081/tenants/api/v1/write"
        )]
    );
    assert_eq!(hints(both, &[]).len(), 2);
    let unnamed = hints("default", &[first, second]);
    assert!(unnamed[0].contains("no such destination: name its profile"), "{unnamed:?}");
    // Something else of the pod's listens there.
    assert_eq!(hints("default", &[first, "http://localhost:9201/write"]), [""; 0]);
}

#[test]
fn a_mesh_and_what_follows_are_named() {
    let text = include_str!("../../../../testdata/pods/istio.yaml");
    let pod = format!("apiVersion: v1\nkind: Pod\n{text}");
    let explained = explain::explain(&config_file(), &pod).unwrap()[0].to_string();
    let hint = "hint: the pod shows the service mesh Istio (container istio-init): the sidecar's liveness probe is exec";
    assert!(explained.contains(hint), "{explained}");
    assert!(explained.lines().any(|line| line.split_whitespace().eq([
        "pod",
        "liveness-probe",
        "exec"
    ])));
}

#[test]
fn a_policys_sidecar_is_told_from_the_webhooks() {
    let pod = "\
kind: Pod
metadata:
  name: a
  annotations:
    prom-remotewrite/inject: 'true'
    prom-remotewrite/injected: version=1.0.0 by=policy settings=ffffffffffff
spec:
  initContainers:
  - name: prom-remotewrite
    restartPolicy: Always
    ports: [{name: rw-port, containerPort: 8081}]
";
    let explained = explain::explain(&config_file(), pod).unwrap();
    let text = explained[0].to_string();
    for part in [
        "Pod a is unchanged: it has its sidecar already",
        "warning: the sidecar in this pod was injected with other settings",
        "hint: a policy injected its sidecar, and not the webhook",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let text =
        explain::explain(&config_file(), &pod.replace("by=policy ", "")).unwrap()[0].to_string();
    assert!(!text.contains("policy"), "{text}");
}

#[test]
fn directives_are_no_documents_of_their_own() {
    let pod = "kind: Pod\nmetadata: {name: a, annotations: {prom-remotewrite/inject: 'true'}}\nspec: {containers: [{name: prometheus}]}\n";
    let text = format!("%YAML 1.2\n---\n{pod}...\n%YAML 1.2\n---\n{pod}");
    assert_eq!(explain::explain(&config_file(), &text).unwrap().len(), 2);
}
