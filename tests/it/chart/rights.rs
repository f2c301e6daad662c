//! The rights that the chart gives: each is needed, and no other is there.

use std::time::Duration;

use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
    core::v1::Secret,
};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    objects::{self, of_kind, text},
    release::Release,
    trial::eventually,
};

const NAME: &str = "rights";
/// A watcher logs at once which right it lacks, and retries.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// What one might do: verb, resource, name.
type Deed<'a> = (&'a str, &'a str, &'a str);

async fn may(client: &Client, account: &str, (verb, resource, name): Deed<'_>) -> bool {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let webhooks = resource.ends_with("webhookconfigurations");
    let group = if webhooks { "admissionregistration.k8s.io" } else { "" };
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(format!("system:serviceaccount:{NAME}:{account}")),
            groups: Some(vec!["system:serviceaccounts".into(), "system:authenticated".into()]),
            resource_attributes: Some(ResourceAttributes {
                verb: some(verb),
                group: some(group),
                resource: some(resource),
                name: some(name),
                namespace: (!webhooks).then(|| NAME.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed
}

#[tokio::test]
async fn certs_has_the_rights_it_needs_and_no_other() {
    const TEST: &str = "certs_has_the_rights_it_needs_and_no_other";
    let Some(mut release) = Release::install(TEST, NAME, &[]).await else { return };
    let rendered = release.rendered().await;
    release.certs = None;
    let mut needed = Vec::new();
    for (kind, rule, resource, name) in [
        ("Role", 0, "secrets", "rights-webhook-tls"),
        ("Role", 1, "serviceaccounts", "rights-certs"),
        ("ClusterRole", 0, "mutatingwebhookconfigurations", "rights"),
    ] {
        let role = of_kind(&rendered, kind);
        for verb in role["rules"][rule]["verbs"].as_array().unwrap() {
            let deed = (verb.as_str().unwrap(), resource, name);
            check_is_needed(&release, (role, rule), deed).await;
            needed.push(deed);
        }
    }
    assert_eq!(needed.len(), 10);
    release.rotate(&[]).await;
    check_is_all(&release.client, &needed).await;
    release.uninstall().await;
}

/// Without this right a watcher logs which one is missing, and continues when it has it.
async fn check_is_needed(release: &Release, (role, index): (&Value, usize), deed: Deed<'_>) {
    let (client, account) = (&release.client, "rights-certs");
    let mut less = role.clone();
    let verbs = less["rules"][index]["verbs"].as_array_mut().unwrap();
    verbs.retain(|verb| verb.as_str() != Some(deed.0));
    // A rule without verbs is refused; this one is of no use.
    verbs.push(json!("update"));
    objects::apply(client, &less).await.unwrap();
    eventually("the right is gone", async || (!may(client, account, deed).await).then_some(()))
        .await;
    // There is something to do: a new Secret, or a renewal of the one there is.
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAME);
    let _absent = secrets.delete("rights-webhook-tls", &DeleteParams::default()).await;
    let mut watcher = release.watch(&[]).await;
    let (verb, resource, _) = deed;
    let refused = |line: &str| {
        (line.contains("is forbidden")
            && line.contains(&format!("cannot {verb} resource \\\"{resource}\\\"")))
        .then_some(())
    };
    // Older API servers refuse an apply that creates without a word about the right.
    let is_silent = deed.0 == "create" && !release.plane.is_since(32);
    if deed.1 == "secrets" && (deed.0 == "patch" || is_silent) {
        // An apply that creates needs both.
        let created = |line: &str| line.contains("is forbidden").then_some(());
        watcher.line("the refusal", TOLD_WITHIN, created).await.unwrap();
    } else {
        watcher.line(&format!("the refusal of {deed:?}"), TOLD_WITHIN, refused).await.unwrap();
    }
    objects::apply(client, role).await.unwrap();
    eventually("the right is back", async || may(client, account, deed).await.then_some(())).await;
    eventually("it goes on", async || {
        watcher.output().contains("everything is up to date").then_some(())
    })
    .await;
}

async fn check_is_all(client: &Client, needed: &[Deed<'_>]) {
    let verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
    for resource in [
        "secrets",
        "mutatingwebhookconfigurations",
        "validatingwebhookconfigurations",
        "pods",
        "configmaps",
        "serviceaccounts",
    ] {
        for name in ["", "rights", "rights-webhook-tls", "rights-certs", "other"] {
            for verb in verbs {
                let deed = (verb, resource, name);
                let may_certs = may(client, "rights-certs", deed).await;
                assert_eq!(may_certs, needed.contains(&deed), "{deed:?}");
                assert!(!may(client, "rights-webhook", deed).await, "{deed:?}");
            }
        }
    }
}

/// When the mode changes, its rights do first, and it runs until its successor is ready.
#[tokio::test]
async fn the_program_of_a_former_mode_may_still_find_its_account() {
    const TEST: &str = "the_program_of_a_former_mode_may_still_find_its_account";
    let Some(helm) = super::helm::Helm::find(TEST) else { return };
    let provided = json!({"secretName": "own", "caBundle": "-----BEGIN CERTIFICATE-----"});
    for mode in ["rotate", "certManager", "provided"] {
        let certificates = json!({"certificates": {"mode": mode, "provided": provided}});
        let rendered = helm.template(("one", "two"), &certificates, &[]).await.unwrap();
        let account = &of_kind(&rendered, "Role")["rules"][1];
        assert_eq!(account["resources"], json!(["serviceaccounts"]), "{mode}: {account}");
        assert_eq!(account["verbs"], json!(["get"]), "{mode}: {account}");
    }
}

#[tokio::test]
async fn no_account_mounts_a_token_it_does_not_use() {
    const TEST: &str = "no_account_mounts_a_token_it_does_not_use";
    let Some(helm) = super::helm::Helm::find(TEST) else { return };
    let rendered = helm.template(("one", "two"), &json!({}), &[]).await.unwrap();
    for object in &rendered {
        let pod = match text(object, "/kind") {
            "ServiceAccount" => object,
            "Deployment" if text(object, "/metadata/name").ends_with("-certs") => continue,
            "Deployment" => &object["spec"]["template"]["spec"],
            // Only `helm test` asks the API server something, while it runs.
            "Pod" => {
                assert_eq!(object["spec"]["automountServiceAccountToken"], true);
                continue;
            }
            _ => continue,
        };
        assert_eq!(pod["automountServiceAccountToken"], false, "{object:#}");
    }
}
