//! Pods are created without a pause while certificates are renewed, deleted,
//! damaged and replaced. A renewal refuses none of them; after interference they
//! are admitted again within seconds.

use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use k8s_openapi::api::{
    admissionregistration::v1::{
        MutatingWebhookConfiguration as Configuration, ValidatingAdmissionPolicyBinding,
    },
    core::v1::Secret,
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use rustix::process::Signal;
use serde_json::json;
use tokio::time::sleep;

use super::{
    creating::Creating, injected::sidecar, objects, objects::text, release::Release,
    trial::eventually,
};

/// How often the kubelet looks at the Secret; in a cluster, once a minute or so.
const SYNC: Duration = Duration::from_millis(700);
const PATIENCE: Duration = Duration::from_mins(1);
/// Each brings a new CA and a new certificate.
const ROTATIONS: usize = 3;
/// A repair takes about 0.1 s, and the API server's view of a configuration is as old; on
/// a machine with many other things to do it takes longer.
const ADMITTED_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn no_pod_notices_a_new_certificate() {
    const TEST: &str = "no_pod_notices_a_new_certificate";
    let Some(release) = Release::install(TEST, "rotation", &[]).await else { return };
    release.until_trusted().await;
    let pod = release.pod(&[("inject", "true")]);
    let client = Creating::start(release.client.clone(), pod);
    let work = async {
        for round in 0..ROTATIONS {
            let before = release.serving.served();
            if round == 0 {
                release.rotate(&["--force"]).await;
            } else {
                renew(&release).await;
            }
            until_replaced(&release, before).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = kubelet(&release) => {}
    }
    let tally = client.stop().await;
    assert!(tally.refused.is_empty(), "{:#?}", tally.refused);
    assert!(tally.injected > 20 && tally.plain == 0, "{tally:?}");
    release.uninstall().await;
}

/// Watchers that are killed, wherever they are, are ordinary; so are two at
/// once. The kills are spread over a renewal, whose waits last 2 s.
#[tokio::test]
async fn no_pod_notices_watchers_that_are_killed() {
    const TEST: &str = "no_pod_notices_watchers_that_are_killed";
    let Some(mut release) = Release::install(TEST, "killed", &[]).await else { return };
    release.until_trusted().await;
    release.certs = None;
    let pod = release.pod(&[("inject", "true")]);
    let client = Creating::start(release.client.clone(), pod);
    let work = async {
        let start = Instant::now();
        release.rotate(&["--force"]).await;
        let run = start.elapsed();
        for round in 0..12 {
            renew(&release).await;
            let mut twins = [release.watch(&[]).await, release.watch(&[]).await];
            sleep(run * (round * 5 % 12) / 11).await;
            for twin in &mut twins {
                twin.signal(Signal::KILL).unwrap();
                twin.wait(PATIENCE).await.unwrap();
            }
        }
        let _twins = [release.watch(&[]).await, release.watch(&[]).await];
        eventually("everything is up to date", async || {
            (authorities(&release).await == 1).then_some(())
        })
        .await;
    };
    tokio::select! {
        () = work => {}
        () = kubelet(&release) => {}
    }
    let tally = client.stop().await;
    assert!(tally.refused.is_empty(), "{:#?}", tally.refused);
    assert!(tally.injected > 20 && tally.plain == 0, "{tally:?}");
    release.uninstall().await;
}

#[tokio::test]
async fn pods_are_admitted_again_whatever_was_deleted_or_damaged() {
    const TEST: &str = "pods_are_admitted_again";
    let Some(release) = Release::install(TEST, "repaired", &[]).await else { return };
    release.until_trusted().await;
    let work = async {
        for what in ["Secret", "damage", "bundle", "configuration", "both"] {
            let pod = release.pod(&[("inject", "true")]);
            let client = Creating::start(release.client.clone(), pod);
            interfere(&release, what).await;
            let start = Instant::now();
            release.until_trusted().await;
            // The API server may still have the former bundle.
            let mut took = start.elapsed();
            let end = Instant::now() + Duration::from_secs(2);
            while Instant::now() < end {
                if !is_admitted(&release).await {
                    took = start.elapsed();
                }
            }
            let tally = client.stop().await;
            assert!(took < ADMITTED_WITHIN, "{what}: {took:?}, {:#?}", tally.refused);
            let is_harmless = what == "Secret" || what == "damage";
            assert!(!is_harmless || tally.refused.is_empty(), "{what}: {:#?}", tally.refused);
        }
    };
    tokio::select! {
        () = work => {}
        () = kubelet(&release) => {}
    }
    release.uninstall().await;
}

/// The commands of manifests/troubleshooting.md: out in an emergency, and back.
#[tokio::test]
async fn the_emergency_exit_works_and_so_does_the_way_back() {
    const TEST: &str = "the_emergency_exit_works";
    let Some(release) = Release::install(TEST, "emergency", &[]).await else { return };
    release.until_trusted().await;
    let page = include_str!("../../../manifests/troubleshooting.md");
    assert!(page.contains(
        "\nkubectl delete mutatingwebhookconfiguration,validatingadmissionpolicybinding prom-remotewrite\n"
    ));
    assert!(page.contains("\nhelm upgrade prom-remotewrite "), "the way back");
    let before = release.secret().await.unwrap().metadata.uid;
    configurations(&release).delete(release.name, &DeleteParams::default()).await.unwrap();
    // As the page says, older ones have none.
    if release.plane.is_since(30) {
        let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(release.client.clone());
        bindings.delete(release.name, &DeleteParams::default()).await.unwrap();
    }
    eventually("pods come without a sidecar", async || {
        let pod = objects::apply_dry(&release.client, &release.pod(&[("inject", "true")])).await;
        sidecar(&pod.ok()?).is_none().then_some(())
    })
    .await;
    release.helm("upgrade", &json!({})).await;
    let start = Instant::now();
    release.until_trusted().await;
    let took = start.elapsed();
    assert!(took < ADMITTED_WITHIN, "{took:?}");
    assert_eq!(release.secret().await.unwrap().metadata.uid, before);
    release.uninstall().await;
}

async fn interfere(release: &Release, what: &str) {
    let secrets: Api<Secret> = Api::namespaced(release.client.clone(), release.name);
    let secret = format!("{}-webhook-tls", release.name);
    let params = DeleteParams::default();
    if matches!(what, "configuration" | "both") {
        configurations(release).delete(release.name, &params).await.unwrap();
    }
    if matches!(what, "Secret" | "both") {
        secrets.delete(&secret, &params).await.unwrap();
    }
    match what {
        "damage" => {
            let garbage = json!({"data": {"tls.crt": "eA==", "tls.key": "", "ca.crt": null}});
            let params = PatchParams::default();
            secrets.patch(&secret, &params, &Patch::Merge(garbage)).await.unwrap();
        }
        "bundle" => {
            let configurations = configurations(release);
            eventually("the bundle is gone", async || {
                let mut configuration = configurations.get(release.name).await.unwrap();
                configuration.webhooks.as_mut().unwrap()[0].client_config.ca_bundle = None;
                let params = PostParams::default();
                configurations.replace(release.name, &params, &configuration).await.ok()
            })
            .await;
        }
        "configuration" | "both" => release.helm("upgrade", &json!({})).await,
        _ => {}
    }
}

fn configurations(release: &Release) -> Api<Configuration> {
    Api::all(release.client.clone())
}

async fn is_admitted(release: &Release) -> bool {
    let pod = release.pod(&[("inject", "true")]);
    objects::apply_dry(&release.client, &pod).await.is_ok_and(|pod| sidecar(&pod).is_some())
}

/// The command of certs/README.md.
async fn renew(release: &Release) {
    let secrets: Api<Secret> = Api::namespaced(release.client.clone(), release.name);
    let annotations = json!({"metadata": {"annotations": {"prom-remotewrite/renew": "now"}}});
    let name = format!("{}-webhook-tls", release.name);
    secrets.patch(&name, &PatchParams::default(), &Patch::Merge(annotations)).await.unwrap();
}

/// Delivers the Secret again and again.
pub(super) async fn kubelet(release: &Release) {
    loop {
        sleep(SYNC).await;
        release.deliver().await;
    }
}

/// Waits until the webhook serves one more certificate than `before`, when it had loaded so
/// many, and the former CA has left the bundle.
pub(super) async fn until_replaced(release: &Release, before: usize) {
    eventually("the webhook serves the new certificate", async || {
        (release.serving.served() != before).then_some(())
    })
    .await;
    eventually("the former CA leaves the bundle", async || {
        (authorities(release).await == 1).then_some(())
    })
    .await;
}

/// How many CAs the API server trusts.
async fn authorities(release: &Release) -> usize {
    let configuration = release.configuration().await.unwrap();
    let bundle = text(&configuration, "/webhooks/0/clientConfig/caBundle");
    let pem = String::from_utf8(BASE64_STANDARD.decode(bundle).unwrap()).unwrap();
    pem.matches("BEGIN CERTIFICATE").count()
}
