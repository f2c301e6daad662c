//! Single shapes, each with the one thing that is to be seen.

use super::*;

pub(super) const URL: &str = "https://team-a-ab12.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";

/// A `Prometheus` whose container has these variables, each `NAME: VALUE` in
/// YAML, and these other lines.
pub(super) fn prometheus(variables: &[&str], more: &str) -> String {
    let mut text = "\
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: {name: main}
spec:
  replicas: 2
  containers:
  - name: prom-remotewrite
    env:
"
    .to_owned();
    for variable in variables {
        let (name, value) = variable.split_once(": ").unwrap();
        let _ = writeln!(text, "    - {{name: {name}, {value}}}");
    }
    text + more
}

pub(super) fn user_assigned(more: &[&str], rest: &str) -> String {
    let url = format!("INGESTION_URL: value: '{URL}'");
    let mut variables = vec![
        url.as_str(),
        "IDENTITY_TYPE: value: userAssigned",
        "AZURE_CLIENT_ID: value: 33333333-0000-0000-0000-000000000000",
    ];
    variables.extend(more);
    prometheus(&variables, rest)
}

pub(super) fn application(certificate: &str, rest: &str) -> String {
    let url = format!("INGESTION_URL: value: '{URL}'");
    let certificate = format!("AZURE_CLIENT_CERTIFICATE_PATH: value: {certificate}");
    let variables = [
        url.as_str(),
        "IDENTITY_TYPE: value: aadApplication",
        "AZURE_CLIENT_ID: value: 33333333-0000-0000-0000-000000000000",
        "AZURE_TENANT_ID: value: 22222222-0000-0000-0000-000000000000",
        &certificate,
    ];
    prometheus(&variables, rest)
}

/// It stays byte for byte, and this is why.
pub(super) fn stays(text: &str, because: &str) {
    let migration = migrated(text);
    assert_eq!(migration.text, text);
    assert!(!migration.is_whole());
    let said: String = migration.attempts.iter().map(ToString::to_string).collect();
    assert!(said.contains(because), "{because:?} is not in {said}");
}

/// The profile has these lines.
pub(super) fn has(text: &str, lines: &[&str]) -> Migration {
    let migration = migrated(text);
    let values = migration.profiles.values();
    for line in lines {
        assert!(
            values.lines().any(|other| other.trim() == *line),
            "{line:?} in {}",
            report(&migration)
        );
    }
    migration
}

/// It is lost, and said so.
pub(super) fn loses(text: &str, field: &str) {
    let migration = migrated(text);
    let said: String = migration.attempts.iter().map(ToString::to_string).collect();
    assert!(said.contains(&format!("  lost     {field}")), "{field:?} is not in {said}");
    assert!(!migration.is_whole());
}

#[test]
fn a_sidecar_whose_settings_are_elsewhere_stays() {
    stays(&prometheus(&["IDENTITY_TYPE: value: userAssigned"], ""), "INGESTION_URL is missing");
    stays(
        &user_assigned(&["CLOUD: valueFrom: {configMapKeyRef: {name: a, key: b}}"], ""),
        "variable CLOUD comes from",
    );
    stays(
        &user_assigned(&["PLACE: value: AZURE_CHINA", "CLOUD: value: $(PLACE)"], ""),
        "variable CLOUD comes from",
    );
    stays(&user_assigned(&["IDENTITY_TYPE: value: <IDENTITY-TYPE>"], ""), "IDENTITY_TYPE=");
    stays(&user_assigned(&["LISTENING_PORT: value: '${PORT}'"], ""), "LISTENING_PORT=");
    stays(&user_assigned(&[], "    envFrom: [{secretRef: {name: a}}]\n"), "envFrom");
}

#[test]
fn a_setting_that_no_profile_has_stays() {
    stays(&user_assigned(&[], "    resources: {limits: {cpu: 500mc}}\n"), "cpuLimit=\"500mc\"");
    stays(&user_assigned(&["SSL_CERT_DIR: value: /etc/roots"], ""), "SSL_CERT_DIR");
    stays(&user_assigned(&["SSL_CERT_FILE: value: /etc/roots.pem"], ""), "SSL_CERT_FILE");
    stays(
        &user_assigned(&["HTTPS_PROXY: value: 'http://user:s3cret@proxy.example'"], ""),
        "without user and password",
    );
    stays(&application("/etc/certificate.pfx", ""), "is in no volume of this object");
    let vault = "    volumeMounts: [{name: vault, mountPath: /vault}]\n  volumes: [{name: vault, emptyDir: {}}]\n";
    stays(&application("/vault/certificate.pfx", vault), "is in no volume of this object");
}

#[test]
fn secrets_of_a_proxy_are_not_said() {
    let text = user_assigned(&["HTTPS_PROXY: value: 'http://user:s3cret@proxy.example'"], "");
    let said: String = migrated(&text).attempts.iter().map(ToString::to_string).collect();
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn a_pod_that_would_be_denied_stays() {
    let taken = "  - name: other\n    ports: [{containerPort: 8081}]\n";
    stays(&user_assigned(&[], taken), "port 8081 is taken by container \"other\"");
    let declines = "  podMetadata: {annotations: {prom-remotewrite/inject: 'false'}}\n";
    stays(&user_assigned(&[], declines), "is \"false\"");
}

#[test]
fn everything_that_a_profile_can_say_is_carried() {
    let text = user_assigned(
        &[
            "CLOUD: value: AZURE_CHINA",
            "INGESTION_AAD_AUDIENCE: value: https://other.azure.cn/",
            "HTTPS_PROXY: value: http://proxy.example:3128",
            "NO_PROXY: value: .svc",
            "CLUSTER: value: '0815'",
            "RESPONSE_MODE: value: transparent",
            "UPSTREAM_TIMEOUT: value: 20s",
        ],
        "",
    );
    let migration = has(
        &text,
        &[
            "cloud: AzureChina",
            "audience: https://other.azure.cn//.default",
            "httpsProxy: http://proxy.example:3128",
            "noProxy: .svc",
            "cluster: \"0815\"",
            "responseMode: transparent",
            "upstreamTimeout: 20s",
        ],
    );
    assert!(migration.is_whole(), "{}", report(&migration));
    let authority = "    - {name: AAD_HOST_ENDPOINT, value: https://login.example}\n    volumeMounts: [{name: a, mountPath: /a}]\n  volumes: [{name: a, secret: {secretName: entra}}]\n";
    has(&application("/a/team.pfx", authority), &["authorityHost: https://login.example"]);
}

#[test]
fn whatever_else_a_container_has_is_named() {
    loses(
        &user_assigned(&["GODEBUG: value: http2client=0"], ""),
        "env, GODEBUG: the sidecar has no such variable",
    );
    loses(&user_assigned(&[], "    args: [--verbose]\n"), "args: ");
    loses(
        &user_assigned(&[], "    lifecycle: {preStop: {exec: {command: [sleep, '5']}}}\n"),
        "lifecycle: ",
    );
    loses(
        &user_assigned(&[], "    ports: [{containerPort: 8081, hostPort: 8081}]\n"),
        "ports, 8081: the injected container, with port 8081, has no hostPort",
    );
    loses(
        &user_assigned(&[], "    resources: {limits: {cpu: 500m, ephemeral-storage: 1Gi}}\n"),
        "resources.limits.ephemeral-storage: \"1Gi\"",
    );
    loses(
        &user_assigned(&[], "    fieldOfTheFuture: {a: b}\n"),
        "fieldOfTheFuture: the injected container has no such field",
    );
}

#[test]
fn a_limit_alone_is_also_the_request() {
    has(
        &user_assigned(&[], "    resources: {requests: {memory: 256Mi}}\n"),
        &["memoryRequest: 256Mi"],
    );
    let text = user_assigned(&[], "    resources: {limits: {cpu: 5m, memory: 64Mi}}\n");
    let lines = ["cpuRequest: 5m", "cpuLimit: 5m", "memoryRequest: 64Mi", "memoryLimit: 64Mi"];
    assert!(has(&text, &lines).is_whole());
}

#[test]
fn the_comparison_is_a_diff_of_both_pods() {
    let rest = "    securityContext: {}\n  volumes: [{name: data, emptyDir: {}}]\n";
    let text = user_assigned(&["CLUSTER: value: '<CLUSTER>'"], rest);
    let migration = migrated(&text);
    let comparison = migration.attempts[0].result.as_ref().unwrap().comparison();
    for line in
        ["+    prom-remotewrite/inject: \"true\"", "+  initContainers:", "   - emptyDir: {}"]
    {
        assert!(comparison.lines().any(|other| other == line), "{line:?} is not in\n{comparison}");
    }
    let lines = comparison.lines().filter(|line| line.starts_with('-'));
    assert!(lines.clone().any(|line| line.contains("securityContext: {}")), "{comparison}");
    let url = comparison.lines().filter(|line| line.contains(URL));
    assert_eq!(url.count(), 1, "the same in both:\n{comparison}");
}
