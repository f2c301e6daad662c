//! The settings in a report, and where each comes from.

use expect_test::expect;

use super::*;

#[test]
fn unset_settings_are_shown_as_defaults() {
    let values = "\
config:
  imagePullPolicy: Always
  profiles: {default: {identityType: systemAssigned}}
webhook: {excludedNamespaces: [batch]}
";
    let config = ConfigFile::parse(values).unwrap();
    let url = "https://a.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-00000000000000000000000000000000/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";
    let mut pod = prometheus(&[("inject", "true"), ("ingestion-url", url)]);
    let explained = explain::explain(&config, &pod.to_string()).unwrap();
    let source = |name: &str| {
        let settings = &explained[0].destinations[0].settings;
        let setting = settings.iter().find(|setting| setting.name == name);
        setting.map(|setting| setting.source).unwrap()
    };
    assert_eq!(source("image-pull-policy"), explain::Origin::Configuration);
    for name in ["cpu-request", "memory-request", "memory-limit", "sidecar-mode"] {
        assert_eq!(source(name), explain::Origin::Default, "{name}");
    }
    pod["metadata"]["namespace"] = json!("batch");
    let explained = explain::explain(&config, &pod.to_string()).unwrap();
    assert!(explained[0].to_string().contains("batch/"), "{}", explained[0]);
    assert!(explained[0].to_string().contains("not called for pods"), "{}", explained[0]);
}

#[test]
fn every_setting_has_its_source() {
    let pod = prometheus(&[
        ("inject", "true"),
        ("profile", "application"),
        ("log-level", "debug"),
        ("client-id", "33334444-dddd-5555-eeee-6666ffff7777"),
    ]);
    let explained = explain::explain(&config_file(), &pod.to_string()).unwrap();
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
          default        image-pull-policy      IfNotPresent
          default        cpu-request            10m
          default        memory-request         32Mi
          default        memory-limit           128Mi
          annotation     log-level              debug
          configuration  sidecar-mode           native
          default        liveness-probe         http
          default        response-mode          protective
    "]];
    expected.assert_eq(&explained[0].to_string());
}

/// As migration does, explanation takes for given what azure-workload-identity's webhook
/// writes into a pod with its label; without the label no one does.
#[test]
fn settings_of_azures_webhook_are_shown_as_provided() {
    let config = "image: a/b:1\nprofiles:\n  default:\n    identityType: workloadIdentity\n    ingestionUrl: https://a-b.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/s/api/v1/write\n";
    let config = ConfigFile::parse(config).unwrap();
    let pod = "kind: Pod\nmetadata:\n  name: p\n  annotations: {prom-remotewrite/inject: 'true'}\n  labels: {azure.workload.identity/use: 'true'}\nspec:\n  serviceAccountName: account\n  containers:\n  - name: prometheus\n";
    let explained = explain::explain(&config, pod).unwrap();
    let said = explained[0].to_string();
    assert!(!explained[0].is_bad(), "{said}");
    for part in [
        "has to come from azure-workload-identity",
        "client-id          (from azure",
        "tenant-id          (from azure",
    ] {
        assert!(said.contains(part), "{said}\nlacks {part}");
    }
    assert!(!said.contains("00000000-"), "{said}");
    let account = serde_json::json!({"metadata": {"annotations": {}}});
    let need = &explained[0].needs[0];
    assert_eq!((need.kind.name(), need.name.as_str()), ("ServiceAccount", "account"));
    assert!(matches!(need.judge(Some(&account)), crate::needs::Fit::Bad(_)));
    let without = explain::explain(&config, &pod.replace("use: 'true'", "use: 'false'")).unwrap();
    assert!(without[0].is_bad(), "{}", without[0]);
}
