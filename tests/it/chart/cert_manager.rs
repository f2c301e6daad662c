//! The chart's mode `certManager` with cert-manager's own controller.
//!
//! It takes minutes to build, so `just matrix` runs these, and `cargo test` does not.

use std::fs;

use kube::{
    Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use tests::{
    machine::process::{Process, Program},
    tools::{self, CERT_MANAGER},
};

use super::{
    creating::Creating,
    objects::{self, text},
    release::Release,
    rotation::{kubelet, until_replaced},
    trial::eventually,
};
use crate::cluster::control_plane;

/// Its kinds, each defined in a file of its module.
const KINDS: [&str; 6] =
    ["certificaterequests", "certificates", "challenges", "clusterissuers", "issuers", "orders"];

/// Makes its kinds known, and starts it.
async fn cert_manager(client: &Client, kubeconfig: String) -> Process {
    let source = tools::source(CERT_MANAGER.folder, "github.com/cert-manager/cert-manager");
    let folder = source.unwrap().join("deploy/crds");
    for kind in KINDS {
        let yaml = fs::read_to_string(folder.join(format!("crd-{kind}.yaml"))).unwrap();
        let mut definition = objects::documents(&yaml).remove(0);
        // They are templates of Helm's.
        definition["metadata"].as_object_mut().unwrap().remove("labels");
        objects::apply(client, &definition).await.unwrap();
    }
    Program::new("cert-manager", tools::find(&CERT_MANAGER, "cert-manager-controller").unwrap())
        .args(["--leader-elect=false", "--metrics-listen-address=127.0.0.1:0", "--kubeconfig"])
        .arg(kubeconfig)
        .start()
        .unwrap()
}

/// Has a certificate renewed, as `cmctl renew` does.
async fn renew(release: &Release, name: &str) {
    let kind = json!({
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"namespace": release.name},
    });
    let certificates = objects::api(&release.client, &kind);
    let found: Value = serde_json::to_value(certificates.get(name).await.unwrap()).unwrap();
    let mut conditions = found["status"]["conditions"].clone();
    assert!(text(&conditions, "/0/type") == "Ready", "{found:#}");
    conditions.as_array_mut().unwrap().push(json!({
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "a test wants it",
        "lastTransitionTime": found["metadata"]["creationTimestamp"],
    }));
    let patch = Patch::Merge(json!({"status": {"conditions": conditions}}));
    let before = found["status"]["revision"].clone();
    certificates.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    eventually(&format!("certificate {name} is renewed"), async || {
        let found = certificates.get(name).await.unwrap();
        (found.data["status"]["revision"] != before).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "builds cert-manager's controller: just matrix cert-manager"]
async fn no_pod_notices_what_cert_manager_renews() {
    const TEST: &str = "no_pod_notices_what_cert_manager_renews";
    let Some(plane) = control_plane(TEST).await else { return };
    let client = plane.client().await.unwrap();
    let controller = cert_manager(&client, plane.kubeconfig().display().to_string()).await;
    let mode = json!({"certificates": {"mode": "certManager"}});
    let release = Release::install_with(TEST, "issued", &[], &mode).await.unwrap();
    release.until_trusted().await;
    let creating = Creating::start(client, release.pod(&[("inject", "true")]));
    let work = async {
        // The CA alone, a certificate of the new CA, and one more.
        renew(&release, "issued-webhook-ca").await;
        for _ in 0..2 {
            let before = release.serving.served();
            renew(&release, "issued-webhook").await;
            until_replaced(&release, before).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = kubelet(&release) => {}
    }
    let tally = creating.stop().await;
    assert!(tally.refused.is_empty(), "{:#?}\n{}", tally.refused, controller.output());
    assert!(tally.injected > 20 && tally.plain == 0, "{tally:?}");
    release.uninstall().await;
}
