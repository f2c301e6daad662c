//! The configuration that does without the sidecar is one that Prometheus accepts, or
//! prometheus-operator.

use std::path::Path;

use serde_json::{Value, json};
use tests::{machine::process::Program, product::binaries, tools};

use super::PATIENCE;
use crate::{
    chart::{
        foreign,
        objects::{self, text},
        trial::eventually,
    },
    cluster::control_plane,
};

const ID: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
const URL: &str = "https://dce-ab12.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";

async fn native(variables: &[(&str, &str)], output: &str) -> String {
    let file = binaries::find(binaries::SIDECAR).unwrap();
    let usual = [("INGESTION_URL", URL), ("AZURE_CLIENT_ID", ID), ("AZURE_TENANT_ID", ID)];
    let program = Program::new("native", file).args(["native", "--output", output]).envs(usual);
    program.envs(variables.iter().copied()).run(PATIENCE).await.unwrap()
}

#[tokio::test]
async fn promtool_accepts_it_for_every_identity() {
    let promtool = tools::find(&tools::PROMTOOL, "promtool").unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let check = async |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let arguments = ["check", "config", path.to_str().unwrap()];
        Program::new("promtool", &promtool).args(arguments).run(PATIENCE).await
    };
    let roots = folder.path().join("roots.pem");
    let authority = tests::keys::authority::Authority::new("roots").unwrap();
    std::fs::write(&roots, authority.pem()).unwrap();
    for (name, variables) in identities(&roots) {
        let text = native(&variables, "yaml").await;
        check(name, &text).await.unwrap();
    }
    // It does look at what it is given.
    let text = native(&[("IDENTITY_TYPE", "userAssigned")], "yaml").await;
    let spoilt = check("spoilt.yaml", &text.replace("client_id", "id")).await;
    assert!(spoilt.unwrap_err().to_string().contains("field id not found"));
}

#[tokio::test]
async fn the_operators_definition_accepts_it_for_every_identity() {
    const TEST: &str = "the_operators_definition_accepts_it_for_every_identity";
    let Some(plane) = control_plane(TEST).await else { return };
    let Some(definitions) = foreign::definitions(TEST, &["prometheuses.monitoring.coreos.com"])
    else {
        return;
    };
    let client = plane.client().await.unwrap();
    objects::apply(&client, &definitions[0]).await.unwrap();
    objects::namespace(&client, "native", "restricted").await;
    // A definition is in use a moment after it was written.
    let accepted = async |spec: &Value| {
        let object = json!({
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "Prometheus",
            "metadata": {"name": "native", "namespace": "native"},
            "spec": spec,
        });
        eventually("the definition is in use", async || {
            match objects::apply_dry(&client, &object).await {
                Err(kube::Error::Api(status)) if status.code == 404 => None,
                applied => Some(applied),
            }
        })
        .await
    };
    let mut entries = Vec::new();
    for (name, variables) in identities(Path::new("/etc/roots.pem")) {
        let printed = native(&variables, "operator").await;
        // It has no certificates, and reports that.
        let Some(spec) = objects::documents(&printed).pop() else {
            assert_eq!(name, "application.yaml", "{printed}");
            continue;
        };
        let applied = accepted(&spec).await.unwrap_or_else(|error| panic!("{error}\n{printed}"));
        assert_eq!(text(&applied, "/spec/remoteWrite/0/url"), URL);
        entries.push(spec);
    }
    assert_eq!(entries.len(), 3);
    // It does look at what it is given.
    entries[0]["remoteWrite"][0]["azureAd"]["managed_identity"] = json!({});
    let refused = accepted(&entries[0]).await.unwrap_err().to_string();
    assert!(refused.contains("managed_identity"), "{refused}");
}

fn identities(roots: &Path) -> Vec<(&'static str, Vec<(&'static str, &str)>)> {
    let roots = ("SSL_CERT_FILE", roots.to_str().unwrap());
    let proxy = ("HTTPS_PROXY", "http://user:s3cret@proxy.example:3128");
    vec![
        ("user.yaml", vec![("IDENTITY_TYPE", "userAssigned"), roots]),
        ("system.yaml", vec![("IDENTITY_TYPE", "systemAssigned"), ("CLOUD", "AZURECHINA")]),
        (
            "application.yaml",
            vec![
                ("IDENTITY_TYPE", "aadApplication"),
                ("MDM_CERT_PATH", "/mnt/it's: #1/tls.crt"),
                ("AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE", "/mnt/password"),
                ("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "true"),
                ("INGESTION_AAD_AUDIENCE", "https://monitor.example/"),
                proxy,
                ("NO_PROXY", "localhost,.svc"),
                roots,
            ],
        ),
        (
            "workload.yaml",
            vec![
                ("IDENTITY_TYPE", "workloadIdentity"),
                ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/secrets/token"),
                ("CLOUD", "INT"),
                ("INGESTION_AAD_AUDIENCE", "https://monitor.example/"),
                proxy,
                ("NO_PROXY", "localhost,.svc"),
                roots,
            ],
        ),
    ]
}
