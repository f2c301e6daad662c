//! What a write does that was decided on an object that has changed since.

use certs::{
    bundle::Bundle,
    pair::Pem,
    rotate::{cluster::Error, observed::Stored},
};

use super::fixture::{Fixture, fixture};

/// Contents by which writes are distinguished; no one checks them here.
fn stored(text: &str) -> Stored {
    let current = Pem { ca: text.to_owned(), ..Pem::default() };
    Stored { current, ..Stored::default() }
}

async fn ca(fixture: &Fixture) -> String {
    fixture.state().await.stored.current.ca
}

#[track_caller]
fn assert_conflict(result: &Result<(), Error>) {
    assert!(matches!(result, Err(Error::Conflict(_))), "{result:?}");
}

fn note() -> (std::time::SystemTime, &'static str) {
    (std::time::SystemTime::UNIX_EPOCH, "nobody")
}

#[tokio::test]
async fn of_two_that_create_the_secret_the_second_is_refused() {
    let Some(fixture) = fixture("of_two_that_create").await else { return };
    let mut cluster = fixture.cluster();
    let (one, other) = (cluster.observe().await.unwrap(), cluster.observe().await.unwrap());
    cluster.store(&one, &stored("one"), "1").await.unwrap();
    assert_conflict(&cluster.store(&other, &stored("other"), "2").await);
    assert_eq!(ca(&fixture).await, "one");
}

#[tokio::test]
async fn a_write_that_was_decided_on_another_version_is_refused() {
    let Some(fixture) = fixture("a_write_that_was_decided").await else { return };
    let mut cluster = fixture.cluster();
    cluster.store(&cluster.observe().await.unwrap(), &stored("first"), "1").await.unwrap();
    let stale = cluster.observe().await.unwrap();
    cluster.store(&stale, &stored("second"), "1").await.unwrap();
    assert_conflict(&cluster.store(&stale, &stored("third"), "1").await);
    assert_eq!(ca(&fixture).await, "second");

    cluster.publish(&stale, &Bundle::default(), note()).await.unwrap();
    assert_conflict(&cluster.publish(&stale, &Bundle::default(), note()).await);
}

#[tokio::test]
async fn objects_deleted_meanwhile_are_not_recreated_by_accident() {
    let Some(fixture) = fixture("what_was_deleted_meanwhile").await else { return };
    let mut cluster = fixture.cluster();
    cluster.store(&cluster.observe().await.unwrap(), &stored("first"), "1").await.unwrap();
    let stale = cluster.observe().await.unwrap();
    fixture.delete_secret().await;
    assert_conflict(&cluster.store(&stale, &stored("second"), "1").await);
    assert!(fixture.secret().await.is_null());

    fixture.delete_configuration().await;
    assert_conflict(&cluster.publish(&stale, &Bundle::default(), note()).await);
}
