//! The certificate watcher among objects of others.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use k8s_openapi::api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Secret};
use kube::{
    Api, Client, Config,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{pods::mebibytes, table::Table};
use crate::{
    chart::objects,
    rotation::fixture::{Fixture, fixture},
};

const PATIENCE: Duration = Duration::from_secs(60);
/// So many requests at once make the objects of others.
const CONCURRENT: usize = 32;
const MINUTE: Duration = Duration::from_mins(1);

/// Starts the watcher among so many other webhook configurations, and as many Secrets in
/// its namespace.
pub(super) async fn measure(counts: &[usize], table: &mut Table) {
    let Some(fixture) = fixture("scale_watcher").await else { return };
    nothing_else_can_be_listed(&fixture).await;
    let mut made = 0;
    for &count in counts {
        let others = (made..count).flat_map(|number| others(&fixture, number));
        stream::iter(others)
            .for_each_concurrent(CONCURRENT, async |object| {
                objects::create(&fixture.client, &object).await.unwrap();
            })
            .await;
        made = count;
        let mut watcher = fixture.watch(&[]);
        trusted(&fixture).await;
        // A repair is some five writes, after pauses of 300 ms.
        sleep(Duration::from_secs(10)).await;
        let before = requests(&fixture).await;
        assert!(before > 0.0, "the API server counts them");
        sleep(MINUTE).await;
        let quiet = requests(&fixture).await - before;
        fixture.delete_configuration().await;
        fixture.create_configuration().await;
        let begun = Instant::now();
        trusted(&fixture).await;
        let repaired = begun.elapsed().as_secs_f64();
        let memory = mebibytes(watcher.usage().unwrap().peak_memory);
        assert!(watcher.stop(PATIENCE).await.unwrap().success(), "{}", watcher.output());
        let figures = [
            ("other webhook configurations and Secrets: the watcher's peak memory, MiB", memory),
            ("…requests of all clients for these kinds in a quiet minute", quiet),
            ("…seconds until a configuration that was replaced is trusted again", repaired),
        ];
        table.note(count, figures);
    }
}

/// What the watcher's service account may not do.
async fn nothing_else_can_be_listed(fixture: &Fixture) {
    let config = Kubeconfig::read_from(fixture.kubeconfig()).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(config, &options).await.unwrap();
    let client = Client::try_from(config).unwrap();
    let all: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let secrets: Api<Secret> = Api::namespaced(client, &fixture.name);
    let forbidden =
        |error: kube::Error| matches!(error, kube::Error::Api(status) if status.code == 403);
    assert!(forbidden(all.list(&ListParams::default()).await.unwrap_err()));
    assert!(forbidden(secrets.list(&ListParams::default()).await.unwrap_err()));
}

async fn trusted(fixture: &Fixture) {
    Fixture::until("the certificate is trusted", async || fixture.trusted().await).await;
}

/// A webhook configuration that concerns nothing, with a CA bundle as large as a usual one,
/// and a Secret as large as that of a certificate.
fn others(fixture: &Fixture, number: usize) -> [Value; 2] {
    let name = format!("{}-other-{number}", fixture.name);
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name, "annotations": {"example.com/text": "x".repeat(2000)}},
        "webhooks": [{
            "name": "other.example.com",
            "clientConfig": {"url": "https://localhost:1/"},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Ignore",
            "rules": [{"operations": ["CREATE"], "apiGroups": ["example.com"], "apiVersions": ["v1"], "resources": ["nothing"]}],
        }],
    });
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": fixture.name},
        "stringData": {"text": "x".repeat(4000)},
    });
    [configuration, secret]
}

/// Requests that the API server has answered so far for the kinds that the watcher reads.
async fn requests(fixture: &Fixture) -> f64 {
    let request = http::Request::get("/metrics").body(Vec::new()).unwrap();
    let text = fixture.client.request_text(request).await.unwrap();
    let kinds = ["mutatingwebhookconfigurations", "secrets", "serviceaccounts"];
    let of_kinds = |line: &&str| {
        line.starts_with("apiserver_request_total{")
            && kinds.iter().any(|kind| line.contains(&format!("resource=\"{kind}\"")))
    };
    let counts = text.lines().filter(of_kinds).filter_map(|line| line.rsplit_once(' '));
    counts.filter_map(|(_, count)| count.parse::<f64>().ok()).sum()
}
