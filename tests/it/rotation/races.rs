//! What a write does that was decided on something that is no longer so.

use certs::{
    pair::Texts,
    rotate::{
        cluster::{Cluster, Error},
        observed::Held,
    },
};

use super::fixture::{Fixture, fixture};

/// Contents by which writes are told apart; nobody checks them here.
fn held(text: &str) -> Held {
    let current = Texts { ca: text.to_owned(), ..Texts::default() };
    Held { current, ..Held::default() }
}

async fn stored(fixture: &Fixture) -> String {
    fixture.state().await.held.current.ca
}

#[track_caller]
fn assert_conflict(result: &Result<(), Error>) {
    assert!(matches!(result, Err(Error::Conflict(_))), "{result:?}");
}

#[tokio::test]
async fn of_two_that_create_the_secret_the_second_is_refused() {
    let Some(fixture) = fixture("of_two_that_create").await else { return };
    let cluster: Cluster = fixture.cluster();
    let (one, other) = (cluster.observe().await.unwrap(), cluster.observe().await.unwrap());
    cluster.store(&one, &held("one"), "1").await.unwrap();
    assert_conflict(&cluster.store(&other, &held("other"), "2").await);
    assert_eq!(stored(&fixture).await, "one");
}

#[tokio::test]
async fn a_write_that_was_decided_on_another_version_is_refused() {
    let Some(fixture) = fixture("a_write_that_was_decided").await else { return };
    let cluster = fixture.cluster();
    cluster.store(&cluster.observe().await.unwrap(), &held("first"), "1").await.unwrap();
    let stale = cluster.observe().await.unwrap();
    cluster.store(&stale, &held("second"), "1").await.unwrap();
    assert_conflict(&cluster.store(&stale, &held("third"), "1").await);
    assert_eq!(stored(&fixture).await, "second");

    let now = std::time::SystemTime::UNIX_EPOCH;
    cluster.publish(&stale, &stale.observed.bundle, now).await.unwrap();
    assert_conflict(&cluster.publish(&stale, &stale.observed.bundle, now).await);
}

#[tokio::test]
async fn what_was_deleted_meanwhile_is_not_brought_back_by_accident() {
    let Some(fixture) = fixture("what_was_deleted_meanwhile").await else { return };
    let cluster = fixture.cluster();
    cluster.store(&cluster.observe().await.unwrap(), &held("first"), "1").await.unwrap();
    let stale = cluster.observe().await.unwrap();
    fixture.delete_secret().await;
    assert_conflict(&cluster.store(&stale, &held("second"), "1").await);
    assert!(fixture.secret().await.is_null());

    fixture.delete_configuration().await;
    let now = std::time::SystemTime::UNIX_EPOCH;
    assert_conflict(&cluster.publish(&stale, &stale.observed.bundle, now).await);
}
