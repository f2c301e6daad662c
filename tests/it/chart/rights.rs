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
/// The job is told to give up after 8 s; a refusal ends it at once.
const GIVES_UP: Duration = Duration::from_secs(60);

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
async fn the_job_has_the_rights_it_needs_and_no_other() {
    const TEST: &str = "the_job_has_the_rights_it_needs_and_no_other";
    let Some(release) = Release::install(TEST, NAME, &[]).await else { return };
    let rendered = release.rendered().await;
    let mut needed = Vec::new();
    for (kind, resource, name) in [
        ("Role", "secrets", "rights-webhook-tls"),
        ("ClusterRole", "mutatingwebhookconfigurations", "rights"),
    ] {
        let role = of_kind(&rendered, kind);
        assert_eq!(role["rules"].as_array().unwrap().len(), 1, "{role:#}");
        for verb in role["rules"][0]["verbs"].as_array().unwrap() {
            let deed = (verb.as_str().unwrap(), resource, name);
            check_is_needed(&release, role, deed).await;
            needed.push(deed);
        }
    }
    assert_eq!(needed.len(), 5);
    release.rotate(&[]).await;
    check_is_all(&release.client, &needed).await;
    release.uninstall().await;
}

/// Without this right the job fails and says which one is missing.
async fn check_is_needed(release: &Release, role: &Value, deed: Deed<'_>) {
    let (client, account) = (&release.client, "rights-certs");
    let mut less = role.clone();
    let verbs = less["rules"][0]["verbs"].as_array_mut().unwrap();
    verbs.retain(|verb| verb.as_str() != Some(deed.0));
    objects::apply(client, &less).await.unwrap();
    eventually("the right is gone", async || (!may(client, account, deed).await).then_some(()))
        .await;
    // There is something to do: a new Secret, a new CA.
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAME);
    let _absent = secrets.delete("rights-webhook-tls", &DeleteParams::default()).await;
    let mut job = release.start_rotation(&["--timeout=8s"]).await;
    let status = job.wait(GIVES_UP).await.unwrap();
    assert!(!status.success(), "{deed:?} is not needed: {}", job.output());
    assert!(job.output().contains("is forbidden"), "{deed:?}: {}", job.output());
    objects::apply(client, role).await.unwrap();
    eventually("the right is back", async || may(client, account, deed).await.then_some(())).await;
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
        for name in ["", "rights", "rights-webhook-tls", "other"] {
            for verb in verbs {
                let deed = (verb, resource, name);
                let may_job = may(client, "rights-certs", deed).await;
                assert_eq!(may_job, needed.contains(&deed), "{deed:?}");
                assert!(!may(client, "rights-webhook", deed).await, "{deed:?}");
            }
        }
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
            "Deployment" => &object["spec"]["template"]["spec"],
            "Pod" => &object["spec"],
            _ => continue,
        };
        assert_eq!(pod["automountServiceAccountToken"], false, "{object:#}");
    }
}
