//! `prom-remotewrite-certs rotate` against a real API server, run as its Job
//! runs it: by a service account with the permissions of the chart's role.

mod fixture;
mod kills;
mod permissions;
mod races;
mod traffic;

use certs::{bundle::Bundle, pair::Damage};
use serde_json::{Value, json};

use self::fixture::{Fixture, fixture};

#[tokio::test]
async fn a_first_run_issues_and_a_second_has_nothing_to_do() {
    let Some(fixture) = fixture("a_first_run_issues").await else { return };
    let before = fixture.configuration().await;
    let said = fixture.rotate(&[]).await;
    assert!(said.contains("put a new certificate into use at once"), "{said}");
    let state = fixture.state().await;
    let pair = state.current.clone().unwrap();
    assert!(state.bundle.holds(pair.ca()) && state.next == Err(Damage::Absent) && state.adopted);
    assert_eq!(pair.missing(&[fixture.dns_name()]), None);

    // Nothing else in the configuration has changed.
    let mut after = fixture.configuration().await;
    let bundle = after.pointer_mut("/webhooks/1/clientConfig").unwrap().as_object_mut().unwrap();
    bundle.remove("caBundle").unwrap();
    let annotations = after.pointer_mut("/metadata/annotations").unwrap().as_object_mut().unwrap();
    annotations.remove("prom-remotewrite/published-at").unwrap();
    let settled = |mut object: Value| {
        let metadata = object["metadata"].as_object_mut().unwrap();
        for own in ["managedFields", "resourceVersion", "generation"] {
            metadata.remove(own);
        }
        object
    };
    assert_eq!(settled(after), settled(before));

    let before = (fixture.secret().await, fixture.configuration().await);
    let said = fixture.rotate(&[]).await;
    assert!(said.contains("nothing is left to do") && said.lines().count() == 1, "{said}");
    assert_eq!((fixture.secret().await, fixture.configuration().await), before);
}

#[tokio::test]
async fn a_renewal_overlaps_and_a_later_run_forgets_the_old_ca() {
    let Some(fixture) = fixture("a_renewal_overlaps").await else { return };
    fixture.rotate(&[]).await;
    let old = fixture.state().await.current.unwrap();
    fixture.rotate(&["--force"]).await;
    let state = fixture.state().await;
    let new = state.current.unwrap();
    assert_ne!(new.texts().key, old.texts().key);
    assert!(state.bundle.holds(old.ca()) && state.bundle.holds(new.ca()));
    assert_eq!(state.next, Err(Damage::Absent));

    let said = fixture.rotate(&[]).await;
    assert!(said.contains("removes earlier CAs") && said.lines().count() == 1, "{said}");
    fixture.rotate(&["--overlap", "1ms"]).await;
    let state = fixture.state().await;
    assert!(!state.bundle.holds(old.ca()) && state.bundle.holds(new.ca()));
    assert_eq!(state.current.as_ref(), Ok(&new));
}

#[tokio::test]
async fn what_was_damaged_or_deleted_comes_back_without_a_gap() {
    let Some(fixture) = fixture("what_was_damaged_or_deleted").await else { return };
    fixture.rotate(&[]).await;
    let damages = [
        json!({"data": {"tls.crt": ""}}),
        json!({"data": {"tls.key": "bm8ga2V5"}}),
        json!({"data": {"ca.crt": null}}),
        json!({"data": null, "metadata": {"annotations": null}}),
    ];
    for damage in damages {
        if damage["data"].is_null() {
            // `kubernetes.io/tls` demands its keys: gone is the whole Secret.
            fixture.delete_secret().await;
        } else {
            fixture.patch_secret(&damage).await;
        }
        let before = fixture.bundle().await;
        let said = fixture.rotate(&[]).await;
        assert!(said.contains("beside the one in use: of the stored one"), "{damage}: {said}");
        let state = fixture.state().await;
        assert!(state.bundle.holds(state.current.unwrap().ca()), "{damage}");
        // Replicas may still serve what the Secret has lost.
        assert!(state.bundle.pem().starts_with(&before.pem()), "{damage}");
    }
    // A bundle that somebody emptied is filled again.
    fixture.set_bundle("").await;
    fixture.rotate(&[]).await;
    let state = fixture.state().await;
    assert_eq!(state.bundle, Bundle::parse(&state.current.unwrap().texts().ca));
}

#[tokio::test]
async fn what_is_not_ours_is_not_touched() {
    let Some(fixture) = fixture("what_is_not_ours").await else { return };
    let unlabelled = json!({"metadata": {"labels": {"prom-remotewrite/certificates": null}}});
    fixture.rotate(&[]).await;
    fixture.patch_secret(&unlabelled).await;
    let before = (fixture.secret().await, fixture.configuration().await);
    let refused = fixture.refused(&["--force"], 78).await;
    assert!(refused.contains("will not touch Secret") && refused.contains("=rotate"), "{refused}");

    fixture.delete_secret().await;
    fixture.patch_configuration(&unlabelled).await;
    let refused = fixture.refused(&[], 78).await;
    assert!(refused.contains("will not touch MutatingWebhookConfiguration"), "{refused}");
    assert!(fixture.secret().await.is_null());

    let labelled = json!({"metadata": {"labels": {"prom-remotewrite/certificates": "rotate"}}});
    fixture.patch_configuration(&labelled).await;
    let refused = fixture.refused(&["--webhook", "no.such.webhook"], 1).await;
    assert!(refused.contains("cannot find webhook no.such.webhook"), "{refused}");
    let bundle = |object: &Value| object["webhooks"].clone();
    assert_eq!(bundle(&fixture.configuration().await), bundle(&before.1));
}

#[tokio::test]
async fn a_dry_run_only_says() {
    let Some(fixture) = fixture("a_dry_run").await else { return };
    let before = fixture.configuration().await;
    let said = fixture.rotate(&["--dry-run"]).await;
    assert!(said.contains("would be next") && said.contains("put a new certificate"), "{said}");
    assert!(fixture.secret().await.is_null());
    assert_eq!(fixture.configuration().await, before);
}

#[tokio::test]
async fn the_secret_goes_with_the_configuration() {
    let Some(fixture) = fixture("the_secret_goes").await else { return };
    fixture.rotate(&[]).await;
    // Made anew under its name, it is another one: the Secret is adopted.
    fixture.recreate_configuration().await;
    fixture.rotate(&[]).await;
    let state = fixture.state().await;
    assert!(state.adopted && state.bundle.holds(state.current.unwrap().ca()));

    fixture.delete_configuration().await;
    Fixture::until("the Secret is collected", async || {
        fixture.secret().await.is_null().then_some(())
    })
    .await;
}
