//! Install, upgrade, roll back, uninstall: no pod is ever disturbed, what certs
//! wrote stays, and in the end nothing is left.

use std::fs;

use base64::{Engine, prelude::BASE64_STANDARD};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::{Value, json};
use tests::kubernetes::control_plane::say_skipped;

use super::{
    creating::Creating,
    helm::Helm,
    injected,
    objects::{self, text},
    release::Release,
    trial::eventually,
};

/// Helm 4 lets the API server merge.
#[tokio::test]
async fn a_release_comes_and_goes_with_server_side_apply() {
    const TEST: &str = "a_release_comes_and_goes_with_server_side_apply";
    let Some(helm) = Helm::find(TEST) else { return };
    if helm.is_before_4() {
        return say_skipped(TEST, "this is Helm 3, which always merges by itself");
    }
    come_and_go(TEST, "release-server", &[]).await;
}

/// Helm 3 merges the old manifest, the new one and what is there by itself.
#[tokio::test]
async fn a_release_comes_and_goes_with_helms_own_merge() {
    const TEST: &str = "a_release_comes_and_goes_with_helms_own_merge";
    let Some(helm) = Helm::find(TEST) else { return };
    let flags: &[&str] = if helm.is_before_4() { &[] } else { &["--server-side=false"] };
    come_and_go(TEST, "release-client", flags).await;
}

async fn come_and_go(test: &str, name: &'static str, flags: &[&'static str]) {
    let Some(release) = Release::install(test, name, flags).await else { return };
    release.until_trusted().await;
    let plain = Creating::start(release.client.clone(), release.pod(&[]));
    let asking = Creating::start(release.client.clone(), release.pod(&[("inject", "true")]));
    let first = written(&release).await;

    let change = json!({
        "certificates": {"rotate": {"validity": "30d"}},
        "webhook": {"replicas": 3, "timeoutSeconds": 4},
    });
    release.helm("upgrade", &change).await;
    assert_eq!(written(&release).await, first);
    let configuration = release.configuration().await.unwrap();
    assert_eq!(configuration["webhooks"][0]["timeoutSeconds"], 4);
    // Nothing to do: a new certs finds the certificate that is there.
    release.rotate(&[]).await;
    assert_eq!(written(&release).await, first);

    release.run(&["rollback", name, "1"]).await.unwrap();
    assert_eq!(written(&release).await, first);
    let back = release.configuration().await.unwrap();
    assert_eq!(back["webhooks"][0]["timeoutSeconds"], 5);
    let asking = asking.stop().await;
    assert!(asking.injected > 20 && asking.plain == 0, "{asking:?}");
    assert!(asking.refused.is_empty(), "{asking:?}");

    uninstall(&release).await;
    let plain = plain.stop().await;
    assert!(plain.plain > 20 && plain.refused.is_empty(), "{plain:?}");
}

async fn uninstall(release: &Release) {
    let asking = Creating::start(release.client.clone(), release.pod(&[("inject", "true")]));
    release.uninstall().await;
    assert!(release.configuration().await.is_none());
    // The controller sees the service account go, and the Secret with it.
    eventually("the Secret goes", async || release.secret().await.is_none().then_some(())).await;
    assert!(release.deployment().await.is_none());
    eventually("pods come without a sidecar", async || {
        let pod = release.pod(&[("inject", "true")]);
        // Until the API server has heard that the policy is gone, it refuses.
        let pod = objects::apply_dry(&release.client, &pod).await.ok()?;
        injected::sidecar(&pod).is_none().then_some(())
    })
    .await;
    let asking = asking.stop().await;
    // Helm removes the webhook configuration first, and the policy a moment later.
    let by_policy = |why: &String| why.contains("ValidatingAdmissionPolicy");
    assert!(asking.refused.iter().all(by_policy), "{asking:?}");
    assert_eq!(release.left().await, Vec::<String>::new());
}

/// What certs wrote into the webhook configuration.
async fn written(release: &Release) -> (String, String) {
    let configuration: Value = release.configuration().await.unwrap();
    let bundle = text(&configuration, "/webhooks/0/clientConfig/caBundle").to_owned();
    let published = "/metadata/annotations/prom-remotewrite~1published-at";
    let published = text(&configuration, published).to_owned();
    assert!(!bundle.is_empty() && !published.is_empty(), "{configuration:#}");
    (bundle, published)
}

#[tokio::test]
async fn a_new_profile_reaches_webhooks_that_run() {
    const TEST: &str = "a_new_profile_reaches_webhooks_that_run";
    let Some(release) = Release::install(TEST, "profiles", &[]).await else { return };
    release.until_trusted().await;
    let pod = release.pod(&[("inject", "true"), ("profile", "new")]);
    let error = objects::apply_dry(&release.client, &pod).await.unwrap_err().to_string();
    assert!(error.contains("prom-remotewrite/profile=\"new\""), "{error}");
    let new = json!({
        "ingestionUrl": "https://dce.example/x",
        "identityType": "systemAssigned",
    });
    release.helm("upgrade", &json!({"config": {"profiles": {"new": new}}})).await;
    // As the kubelet does, a minute or so later.
    let maps: Api<ConfigMap> = Api::namespaced(release.client.clone(), release.name);
    let map = maps.get("profiles-webhook").await.unwrap();
    fs::write(release.serving.config(), &map.data.unwrap()["config.yaml"]).unwrap();
    eventually("pods get the new profile", async || {
        let pod = objects::apply_dry(&release.client, &pod).await.ok()?;
        injected::sidecar(&pod).map(|_| ())
    })
    .await;
    release.uninstall().await;
}

/// The certificate comes from elsewhere, and back: no pod is refused. What another
/// mode writes is what cert-manager or a person writes into the same Secret.
#[tokio::test]
async fn the_certificate_may_come_from_elsewhere_later() {
    const TEST: &str = "the_certificate_may_come_from_elsewhere_later";
    let Some(mut release) = Release::install(TEST, "elsewhere", &[]).await else { return };
    release.until_trusted().await;
    let asking = Creating::start(release.client.clone(), release.pod(&[("inject", "true")]));
    for mode in ["certManager", "rotate"] {
        // Custom resources of cert-manager are not there.
        let change = json!({"certificates": {"mode": mode}});
        release.change_mode(&change).await;
        if mode == "certManager" {
            let before = release.serving.served();
            release.issue_elsewhere().await;
            eventually("the other certificate is trusted", async || {
                let secret = release.secret().await?.data?;
                let ca = BASE64_STANDARD.encode(&secret["ca.crt"].0);
                let ca = String::from_utf8(BASE64_STANDARD.decode(ca).unwrap()).unwrap();
                let (bundle, _) = written(&release).await;
                let bundle = String::from_utf8(BASE64_STANDARD.decode(bundle).unwrap()).unwrap();
                bundle.contains(ca.trim()).then_some(())
            })
            .await;
            // The kubelet comes last.
            release.deliver().await.unwrap();
            eventually("it is served", async || (release.serving.served() > before).then_some(()))
                .await;
        }
        release.until_trusted().await;
    }
    let asking = asking.stop().await;
    assert!(asking.refused.is_empty(), "{asking:?}");
    release.uninstall().await;
}

/// Both ways, and when the provided CA changes, no pod is refused, and Helm has no conflict.
#[tokio::test]
async fn the_certificate_may_be_provided_later() {
    const TEST: &str = "the_certificate_may_be_provided_later";
    let Some(release) = Release::install(TEST, "bundled", &[]).await else { return };
    provide(release).await;
}

/// Helm 3 removes each field that it has written and no longer renders, whoever else owns it.
#[tokio::test]
async fn the_certificate_may_be_provided_later_with_helms_own_merge() {
    const TEST: &str = "the_certificate_may_be_provided_later_with_helms_own_merge";
    let Some(helm) = Helm::find(TEST) else { return };
    let flags: &[&str] = if helm.is_before_4() { &[] } else { &["--server-side=false"] };
    let Some(release) = Release::install(TEST, "merged", flags).await else { return };
    provide(release).await;
}

async fn provide(mut release: Release) {
    release.until_trusted().await;
    // It would be deleted with the release.
    let own = json!({"mode": "provided", "provided": {"secretName": release.mounted}});
    let refused = release.try_helm(&["upgrade"], &json!({"certificates": own})).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("belongs to certificates.mode=rotate"), "{refused}");

    let asking = Creating::start(release.client.clone(), release.pod(&[("inject", "true")]));
    let issued = release.mounted.clone();

    "own".clone_into(&mut release.mounted);
    for _ in ["the first", "another"] {
        release.issue_elsewhere().await;
        let provided = json!({
            "mode": "provided",
            "provided": {"secretName": "own", "caBundle": authority(&release).await},
        });
        release.helm("upgrade", &json!({"certificates": provided})).await;
        until_taken_over(&mut release).await;
        release.helm("upgrade", &json!({"certificates": provided})).await;
        release.run(&["rollback", release.name]).await.unwrap();
    }

    release.mounted = issued;
    release.reuse_values("certificates.mode=rotate").await;
    until_taken_over(&mut release).await;
    release.helm("upgrade", &json!({})).await;
    let asking = asking.stop().await;
    assert!(asking.injected > 20 && asking.plain == 0, "{asking:?}");
    assert!(asking.refused.is_empty(), "{asking:?}");
    release.uninstall().await;
}

/// Waits until the webhook has the certificate of the other Secret, and the former CA is no
/// longer trusted.
async fn until_taken_over(release: &mut Release) {
    // A rolling update starts the new one first.
    let new = release.watch(&[]).await;
    release.certs = Some(new);
    let trusted = authority(release).await;
    let bundle = async || {
        let (bundle, _) = written(release).await;
        String::from_utf8(BASE64_STANDARD.decode(bundle).unwrap()).unwrap()
    };
    let mut both = String::new();
    eventually("the other CA is trusted", async || {
        let bundle = bundle().await;
        bundle.contains(trusted.trim()).then(|| both.clone_from(&bundle))
    })
    .await;
    assert_eq!(both.matches("BEGIN CERTIFICATE").count(), 2, "the former CA stays for a while");
    let before = release.serving.served();
    // The kubelet comes last.
    release.deliver().await.unwrap();
    eventually("it is served", async || (release.serving.served() > before).then_some(())).await;
    eventually("the former CA leaves the bundle", async || {
        (bundle().await.trim() == trusted.trim()).then_some(())
    })
    .await;
}

/// The CA of the Secret that the webhook mounts.
async fn authority(release: &Release) -> String {
    let data = release.secret().await.unwrap().data.unwrap();
    String::from_utf8(data["ca.crt"].0.clone()).unwrap()
}
