//! Whose identity it is, where a file could be read in two ways.

use super::*;

fn said(migration: &Migration) -> String {
    migration.attempts.iter().map(ToString::to_string).collect()
}

fn account(namespace: &str, client: u32) -> String {
    format!(
        "---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: prometheus
  namespace: {namespace}
  annotations:
    azure.workload.identity/client-id: {client:08}-0000-0000-0000-000000000000
"
    )
}

fn workload(more: &str) -> String {
    format!(
        "apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: {{name: main, namespace: a}}
spec:
  serviceAccountName: prometheus
  podMetadata: {{labels: {{azure.workload.identity/use: 'true'}}}}
  containers:
  - name: prom-remotewrite
    env:
    - {{name: INGESTION_URL, value: 'https://a-b.westeurope-1.metrics.ingest.monitor.azure.com/api/v1/write'}}
    - {{name: IDENTITY_TYPE, value: workloadIdentity}}
    - {{name: AZURE_TENANT_ID, value: 22222222-0000-0000-0000-000000000000}}
{more}"
    )
}

#[test]
fn an_account_elsewhere_in_the_file_is_not_taken_for_ones_own() {
    let migration = migrated(&workload(&account("a", 7)));
    assert!(
        said(&migration).contains("AZURE_CLIENT_ID is not in this file"),
        "{}",
        said(&migration)
    );
}

#[test]
fn an_identity_that_is_no_text_is_not_taken_for_none() {
    let native = "apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: {name: main}
spec:
  remoteWrite:
  - url: https://a-b.westeurope-1.metrics.ingest.monitor.azure.com/api/v1/write
    azureAd: {managedIdentity: {clientId: 12345}}
";
    let migration = migrated(native);
    assert_eq!(migration.text, native);
    assert!(said(&migration).contains("12345 is not a string"), "{}", said(&migration));
}
