//! `prom-remotewrite-certs rotate` against a real API server, run as the chart's
//! Deployment runs it: with its arguments, by its service account. The rule
//! of `OpenShift` on owner references is in force.

pub(crate) mod fixture;
mod proxy;
mod races;
mod watcher;

use certs::{bundle::Bundle, pair::Damage, rotate::observed::Owner};
use serde_json::{Value, json};

use self::fixture::{Fixture, fixture};

#[tokio::test]
async fn a_first_run_issues_and_a_second_has_nothing_to_do() {
    let Some(fixture) = fixture("a_first_run_issues").await else { return };
    let before = fixture.configuration().await;
    let output = fixture.rotate(&[]).await;
    assert!(output.contains("issue a new certificate: there is no certificate"), "{output}");
    let state = fixture.state().await;
    let pair = state.current.clone().unwrap();
    assert_eq!((state.next, state.owner), (Err(Damage::Absent), Owner::Release));
    assert_eq!(fixture.bundle().await, Bundle::parse(&pair.pem().ca));
    assert_eq!(pair.missing(&[fixture.dns_name()]), None);

    // Nothing else in the configuration has changed.
    let mut after = fixture.configuration().await;
    let bundle = after.pointer_mut("/webhooks/0/clientConfig").unwrap().as_object_mut().unwrap();
    bundle.remove("caBundle").unwrap();
    let settled = |mut object: Value| {
        let metadata = object["metadata"].as_object_mut().unwrap();
        for own in ["annotations", "managedFields", "resourceVersion", "generation"] {
            metadata.remove(own);
        }
        object
    };
    assert_eq!(settled(after), settled(before));

    let before = (fixture.secret().await, fixture.configuration().await);
    let output = fixture.rotate(&[]).await;
    assert!(output.contains("everything is up to date") && output.lines().count() == 1, "{output}");
    assert_eq!((fixture.secret().await, fixture.configuration().await), before);
}

#[tokio::test]
async fn a_renewal_overlaps_and_a_later_run_removes_the_old_ca() {
    let Some(fixture) = fixture("a_renewal_overlaps").await else { return };
    fixture.rotate(&[]).await;
    let old = fixture.trusted().await.unwrap();
    fixture.rotate(&["--force"]).await;
    let new = fixture.trusted().await.unwrap();
    let mut both = old.clone();
    both.add(&new);
    assert_ne!(new, old);
    assert_eq!(fixture.bundle().await, both);

    let output = fixture.rotate(&[]).await;
    assert!(
        output.contains("earlier CAs are removed in") && output.lines().count() == 1,
        "{output}"
    );
    fixture.rotate(&["--overlap", "1ms"]).await;
    assert_eq!(fixture.bundle().await, new);
}

#[tokio::test]
async fn dry_runs_and_obstacles_are_explained() {
    let Some(fixture) = fixture("what_cannot_be_done").await else { return };
    let output = fixture.ended(&["--dry-run"], 0).await;
    assert!(output.contains("would be next") && output.contains("issue a new"), "{output}");
    assert!(fixture.secret().await.is_null());

    let controller = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "name": "default", "controller": true,
    });
    let mut owned = controller.clone();
    owned["uid"] = json!(fixture.uid_of_account("default").await);
    fixture.replace_secret(json!({"metadata": {"ownerReferences": [owned]}})).await;
    let output = fixture.ended(&[], 78).await;
    assert!(output.contains("ServiceAccount default controls it"), "{output}");

    fixture.delete_secret().await;
    let output = fixture.ended(&["--webhook", "no.such.webhook"], 1).await;
    assert!(output.contains("has no such webhook"), "{output}");
    let output = fixture.ended(&["--owner", "nobody"], 1).await;
    assert!(output.contains("serviceaccounts \"nobody\" is forbidden"), "{output}");
    let output = fixture.ended(&["--settle", "1h", "--force", "--timeout", "3s"], 1).await;
    assert!(output.contains("not finished after 3s"), "{output}");
}

/// The Secret of an earlier chart belongs to the webhook configuration. `OpenShift` lets no
/// one change that who may not delete the Secret; elsewhere it is changed. A renewal
/// fails on neither.
#[tokio::test]
async fn renewals_work_with_every_owner_of_the_secret() {
    let Some(fixture) = fixture("renewals_work").await else { return };
    let configuration = fixture.configuration().await;
    let owner = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "name": fixture.name,
        "uid": configuration["metadata"]["uid"],
    });
    fixture.replace_secret(json!({"metadata": {"ownerReferences": [owner]}})).await;
    let output = fixture.rotate(&[]).await;
    assert!(output.contains("the Secret keeps its owners"), "{output}");
    let old = fixture.trusted().await.unwrap();
    fixture.rotate(&["--force"]).await;
    assert_ne!(fixture.trusted().await.unwrap(), old);
}

#[tokio::test]
async fn the_secret_is_deleted_with_the_release_and_not_with_the_configuration() {
    let Some(fixture) = fixture("the_secret_is_deleted").await else { return };
    fixture.rotate(&[]).await;
    let uid = fixture.secret().await["metadata"]["uid"].clone();
    fixture.delete_configuration().await;
    fixture.create_configuration().await;
    fixture.rotate(&["--force"]).await;
    fixture.delete_configuration().await;
    // The garbage collector is given time to make an error.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(fixture.secret().await["metadata"]["uid"], uid);
    fixture.delete_account().await;
    Fixture::until("the Secret is deleted", async || {
        fixture.secret().await.is_null().then_some(())
    })
    .await;
}
