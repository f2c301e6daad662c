//! `rotate --watch`: whatever happens to the two objects, they are repaired
//! within seconds.

use std::time::{Duration, Instant};

use certs::bundle::Bundle;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::fixture::{Fixture, fixture, fixture_of};

const PATIENCE: Duration = Duration::from_secs(60);
/// On a machine with many other things to do; alone it takes 0.1 s.
const REPAIRED_WITHIN: Duration = Duration::from_secs(10);

/// Waits until the pair in the Secret is trusted; how long it took.
async fn repaired(fixture: &Fixture, what: &str) -> Duration {
    let start = Instant::now();
    Fixture::until(&format!("{what} is repaired"), async || fixture.trusted().await).await;
    let took = start.elapsed();
    assert!(took < REPAIRED_WITHIN, "{what}: {took:?}");
    took
}

/// A Secret with a valid pair of another CA.
fn foreign(names: &[String]) -> Value {
    let request = certs::issue::Request {
        dns_names: names.to_vec(),
        addresses: Vec::new(),
        lifetime: "7d".parse().unwrap(),
    };
    let now = tests::machine::clock::Clock::default().now();
    let pem = certs::issue::issue(&request, now).unwrap().into_pem();
    json!({
        "metadata": {},
        "type": "kubernetes.io/tls",
        "stringData": {"ca.crt": pem.ca, "tls.crt": pem.certificate, "tls.key": pem.key},
    })
}

#[tokio::test]
async fn whatever_anybody_does_is_repaired() {
    let Some(fixture) = fixture("whatever_anybody_does").await else { return };
    let mut watcher = fixture.watch(&[]);
    repaired(&fixture, "nothing").await;
    for round in 0..2 {
        secrets_are_repaired(&fixture).await;
        configurations_are_repaired(&fixture).await;
        if round == 0 {
            // The second one remembers nothing.
            watcher.signal(Signal::KILL).unwrap();
            watcher.wait(PATIENCE).await.unwrap();
            watcher = fixture.watch(&[]);
        }
    }
    assert!(watcher.stop(PATIENCE).await.unwrap().success(), "{}", watcher.output());
}

async fn secrets_are_repaired(fixture: &Fixture) {
    let garbage = json!({"metadata": {}, "data": {"tls.crt": "eA==", "other": "eA=="}});
    let dangling = json!({
        "metadata": {"ownerReferences": [{
            "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "0-0", "controller": true,
        }]},
    });
    fixture.delete_secret().await;
    repaired(fixture, "a deleted Secret").await;
    for patch in [
        json!({"data": {"tls.crt": ""}}),
        json!({"data": {"tls.key": "bm8ga2V5"}}),
        json!({"data": {"ca.crt": null}}),
    ] {
        let before = fixture.trusted().await.unwrap();
        fixture.patch_secret(&patch).await;
        repaired(fixture, "a damaged Secret").await;
        assert_eq!(fixture.trusted().await.unwrap(), before, "the same pair is back");
    }
    fixture.replace_secret(garbage.clone()).await;
    repaired(fixture, "a Secret of another type").await;
    fixture.replace_secret(dangling.clone()).await;
    repaired(fixture, "a Secret of an owner that is gone").await;
    fixture.replace_secret(foreign(&["x".to_owned()])).await;
    repaired(fixture, "a certificate for another name").await;
    fixture.replace_secret(foreign(&[fixture.dns_name()])).await;
    repaired(fixture, "a certificate of somebody else").await;
}

async fn configurations_are_repaired(fixture: &Fixture) {
    for bundle in ["", foreign(&["x".to_owned()])["stringData"]["ca.crt"].as_str().unwrap()] {
        fixture.set_bundle(bundle).await;
        repaired(fixture, "another bundle").await;
    }
    fixture.delete_configuration().await;
    fixture.create_configuration().await;
    repaired(fixture, "a new configuration").await;
    let before = fixture.bundle().await;
    fixture.delete_configuration().await;
    fixture.delete_secret().await;
    fixture.create_configuration().await;
    repaired(fixture, "both").await;
    // Replicas may serve any certificate of the last hour.
    Fixture::until("every CA is back", async || {
        fixture.bundle().await.includes(&before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_new_certificate_can_be_requested_and_the_old_ca_is_removed() {
    let Some(fixture) = fixture("a_new_certificate_can_be").await else { return };
    let _watcher = fixture.watch(&["--overlap", "3s"]);
    repaired(&fixture, "nothing").await;
    let old = fixture.trusted().await.unwrap();
    let request = json!({"metadata": {"annotations": {"prom-remotewrite/renew": "now"}}});
    fixture.patch_secret(&request).await;
    Fixture::until("a new pair is in use", async || {
        let new = fixture.trusted().await?;
        assert!(fixture.bundle().await.includes(&old), "removed too early");
        (new != old).then_some(())
    })
    .await;
    let new = fixture.trusted().await.unwrap();
    Fixture::until("the old CA is removed", async || (fixture.bundle().await == new).then_some(()))
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(fixture.trusted().await.unwrap(), new, "once");
}

/// Kills are spread over a run whose length is measured first.
#[tokio::test]
async fn two_watchers_killed_at_any_point_leave_everything_in_order() {
    const ROUNDS: u32 = 16;
    let Some(fixture) = fixture("two_watchers_killed").await else { return };
    let start = Instant::now();
    let watcher = fixture.watch(&[]);
    Fixture::until("everything is up to date", async || {
        watcher.output().contains("everything is up to date").then_some(())
    })
    .await;
    let run = start.elapsed() + Duration::from_millis(400);
    drop(watcher);
    let request = json!({"metadata": {"annotations": {"prom-remotewrite/renew": "now"}}});
    for round in 0..ROUNDS {
        if round % 4 == 3 {
            fixture.delete_secret().await;
        } else {
            Fixture::until("there is a Secret", async || {
                (!fixture.secret().await.is_null()).then_some(())
            })
            .await;
            fixture.patch_secret(&request).await;
        }
        let watchers = [fixture.watch(&[]), fixture.watch(&[])];
        tokio::time::sleep(run * (round * 7 % ROUNDS) / ROUNDS).await;
        for mut watcher in watchers {
            watcher.signal(Signal::KILL).unwrap();
            watcher.wait(PATIENCE).await.unwrap();
        }
        if round % 4 == 3 {
            fixture.rotate(&[]).await;
        }
    }
    let _watchers = [fixture.watch(&["--overlap", "2s"]), fixture.watch(&["--overlap", "2s"])];
    Fixture::until("one CA is left", async || {
        let state = fixture.state().await;
        let ca = fixture.trusted().await?;
        (fixture.bundle().await == ca && state.stored.renew.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn while_nothing_changes_nothing_is_written_and_nothing_is_said() {
    let Some(fixture) = fixture("while_nothing_changes").await else { return };
    let watcher = fixture.watch(&[]);
    Fixture::until("everything is up to date", async || {
        watcher.output().contains("everything is up to date").then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = (fixture.secret().await, fixture.configuration().await, watcher.output());
    let usage = watcher.usage().unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after = (fixture.secret().await, fixture.configuration().await, watcher.output());
    assert_eq!(before, after);
    let usage = watcher.usage().unwrap().cpu.saturating_sub(usage.cpu);
    assert!(usage < Duration::from_millis(50), "{usage:?} of CPU time in 5 s");
}

#[tokio::test]
async fn probes_say_whether_it_works() {
    let Some(fixture) = fixture("probes_say_whether").await else { return };
    fixture.delete_configuration().await;
    let watcher = fixture.watch(&[]);
    let address = Fixture::until("it listens", async || {
        let output = watcher.output();
        let line = output.lines().find(|line| line.contains("serving probes"))?.to_owned();
        let field = line.split_whitespace().find_map(|field| field.strip_prefix("address="))?;
        Some(field.trim_matches('"').to_owned())
    })
    .await;
    let get = async |path: &str| {
        let url = format!("http://{address}{path}");
        let reply = tests::client::Client::plain().get(&url).await.unwrap();
        (reply.status.as_u16(), reply.text())
    };
    Fixture::until("it has no configuration", async || {
        watcher.output().contains("the webhook configuration does not exist").then_some(())
    })
    .await;
    // Replicas can start meanwhile: the Secret does not wait.
    assert!(!fixture.secret().await.is_null());
    assert_eq!(get("/health").await.0, 200);
    assert_eq!(get("/ready").await.0, 503);
    fixture.create_configuration().await;
    Fixture::until("it is ready", async || (get("/ready").await.0 == 200).then_some(())).await;
    let metrics = get("/metrics").await.1;
    assert!(metrics.contains("prom_remotewrite_certs_up_to_date 1"), "{metrics}");
    assert!(metrics.contains("prom_remotewrite_certs_steps_total{step=\"mend\"} 1"), "{metrics}");
    let readme = include_str!("../../../certs/README.md");
    for name in
        metrics.lines().filter_map(|line| line.strip_prefix("# TYPE prom_remotewrite_certs_"))
    {
        let name = name.split(' ').next().unwrap();
        assert!(readme.contains(&format!("| `{name}")), "the README has no metric {name}");
    }
}

#[tokio::test]
async fn trust_follows_what_another_client_writes() {
    let mode = json!({"mode": "certManager"});
    let Some(fixture) = fixture_of("trust_follows", &mode).await else { return };
    let watcher = fixture.watch(&["--overlap", "2s"]);
    Fixture::until("it has no Secret", async || {
        watcher.output().contains("the Secret has no CA").then_some(())
    })
    .await;
    let names = [fixture.dns_name()];
    let mut former = Bundle::default();
    for _ in 0..2 {
        fixture.replace_secret(foreign(&names)).await;
        Fixture::until("its CA is trusted beside the former one", async || {
            let bundle = fixture.bundle().await;
            let ca = fixture.trusted().await.filter(|ca| *ca != former)?;
            assert!(bundle.includes(&former));
            former = ca;
            Some(())
        })
        .await;
        Fixture::until("the former CA is removed", async || {
            (fixture.bundle().await == former).then_some(())
        })
        .await;
    }
    // It has no right to write the Secret, and does not try.
    fixture.delete_secret().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(fixture.secret().await.is_null());
    assert_eq!(fixture.bundle().await, former);
    assert!(!watcher.output().contains("forbidden"), "{}", watcher.output());
}

#[tokio::test]
async fn without_an_api_server_it_waits_and_recovers() {
    let Some(fixture) = fixture("without_an_api_server").await else { return };
    let proxy = super::proxy::Proxy::start(&fixture).await;
    let watcher = proxy.program(&fixture).start().unwrap();
    repaired(&fixture, "nothing").await;
    proxy.cut();
    tokio::time::sleep(Duration::from_secs(2)).await;
    fixture.delete_secret().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(fixture.secret().await.is_null());
    proxy.mend();
    repaired(&fixture, "the connection").await;
    // Watches that end for no reason.
    for _ in 0..3 {
        proxy.cut();
        proxy.mend();
        fixture.delete_secret().await;
        repaired(&fixture, "a watch").await;
    }
    drop(watcher);
}
