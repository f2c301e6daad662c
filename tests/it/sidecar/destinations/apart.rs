//! What happens at one destination, and at the others meanwhile.

use std::time::Duration;

use rustix::process::Signal;
use tests::{
    azure::{Fault, Moment, Service},
    client::Client,
};

use super::{super::few, *};

/// Batches of 2,000 series that the healthy destination gets while the other fails.
const BATCHES: usize = 6;

/// Sends batches to the unnamed destination; each must be stored at once.
async fn stream(rig: &Rig, label: &str) -> Vec<String> {
    let names: Vec<String> = (0..BATCHES).map(|number| format!("{label}_{number}")).collect();
    for name in &names {
        assert_eq!(rig.status(batch([name.as_str()])).await, 204, "{name}");
    }
    names
}

/// Everything that was streamed is stored exactly once, and nothing else.
fn stored_once(rig: &Rig, names: &[String]) {
    let expected = names.iter().map(|name| (name.clone(), 1)).collect::<BTreeMap<_, _>>();
    assert_eq!(rig.stored(), expected);
}

/// Sends what was not stored again, as Prometheus does.
async fn until_stored(destination: &Other, rig: &Rig, body: &[u8]) {
    for _ in 0..30 {
        if destination.status(rig, body.to_vec()).await == 204 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("it is not stored");
}

#[tokio::test]
async fn whatever_one_destination_answers_the_other_stores_everything_once() {
    let mut stage = Stage::new().await;
    stage.set("UPSTREAM_TIMEOUT", "3s");
    let tenants = Other::beside(&mut stage, "tenants").await;
    let rig = stage.ready().await;
    let faults = tenants.azure.faults(Service::Ingestion);
    let mut streamed = Vec::new();
    let mut kept = BTreeMap::new();
    for (label, fault, statuses) in [
        ("hang", Fault::hang(), &[504][..]),
        ("throttled", Fault::status(429).header("retry-after", "9"), &[503]),
        ("refused", Fault::status(400).body("no"), &[503]),
        ("forbidden", Fault::status(403), &[503]),
        ("unauthorized", Fault::status(401), &[503]),
        ("unavailable", Fault::status(503), &[503]),
        ("broken", Fault::drop(Moment::BeforeBody), &[503]),
        ("slow", Fault::delay(Duration::from_secs(1)), &[204]),
    ] {
        faults.always(fault);
        let body = batch([label]);
        let (names, one, another) = tokio::join!(
            stream(&rig, label),
            tenants.status(&rig, body.clone()),
            tenants.status(&rig, batch([format!("{label}_beside").as_str()])),
        );
        streamed.extend(names);
        for answered in [one, another] {
            assert!(statuses.contains(&answered), "{label}: {answered}");
        }
        faults.clear();
        if one != 204 {
            until_stored(&tenants, &rig, &body).await;
        }
        kept.insert(label.to_owned(), 1);
    }
    stored_once(&rig, &streamed);
    let mut found = tenants.stored();
    found.retain(|name, _| !name.ends_with("_beside"));
    assert_eq!(found, kept);
    let none = r#"prom_remotewrite_upstream_failures_total{reason="timeout"}"#;
    assert_eq!(rig.metric(none).await, 0, "of the unnamed destination");
}

#[tokio::test]
async fn no_destination_waits_for_another_that_hangs() {
    let mut stage = Stage::new().await;
    let tenants = Other::beside(&mut stage, "tenants").await;
    let rig = stage.ready().await;
    tenants.azure.faults(Service::Ingestion).always(Fault::hang());
    let (client, url) = (rig.client.clone(), rig.url(&tenants.path()));
    let hanging = tokio::spawn(async move {
        tokio::join!(
            client.post(&url, &HEADERS, batch(["first"])),
            client.post(&url, &HEADERS, batch(["second"])),
        )
    });
    while tenants.azure.connections(Service::Ingestion) < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let names = stream(&rig, "ops").await;
    assert!(!hanging.is_finished(), "they wait for UPSTREAM_TIMEOUT");
    stored_once(&rig, &names);
    assert_eq!(rig.metric("prom_remotewrite_in_flight_requests ").await, 0);
    let waiting = r#"prom_remotewrite_in_flight_requests{destination="tenants"}"#;
    assert_eq!(rig.metric(waiting).await, 2);
    hanging.abort();
}

#[tokio::test]
async fn writes_that_hang_take_no_connections_of_another_destination() {
    for (most, share) in [(2, 1), (7, 3), (64, 32)] {
        let mut stage = Stage::new().await;
        stage.set("MAX_CONNECTIONS", most.to_string());
        let tenants = Other::beside(&mut stage, "tenants").await;
        let rig = stage.ready().await;
        tenants.azure.faults(Service::Ingestion).always(Fault::hang());
        let mut hanging = tokio::task::JoinSet::new();
        for number in 0..2 * most {
            let (client, url) = (Client::plain(), rig.url(&tenants.path()));
            hanging.spawn(async move {
                let body = batch([format!("hangs_{number}").as_str()]);
                // A connection that makes room before it carries a request is retried, too.
                client.post(&url, &HEADERS, body).await.map_or(503, |reply| reply.status.as_u16())
            });
        }
        for _ in 0..2 * most - share {
            assert_eq!(hanging.join_next().await.unwrap().unwrap(), 503, "beyond its share");
        }
        let waiting = r#"prom_remotewrite_in_flight_requests{destination="tenants"}"#;
        assert_eq!(rig.metric(waiting).await, u64::try_from(share).unwrap());
        let names = stream(&rig, "ops").await;
        stored_once(&rig, &names);
        hanging.abort_all();
    }
}

#[tokio::test]
async fn without_a_token_or_a_way_to_one_destination_the_others_are_written_to() {
    for refused in [true, false] {
        let mut stage = Stage::new().await;
        let tenants = Other::beside(&mut stage, "tenants").await;
        if refused {
            stage.set("INGESTION_URL_TENANTS", "https://localhost:1/");
        } else {
            tenants.azure.faults(Service::Entra).always(Fault::status(500));
        }
        let rig = stage.start().await;
        let names = stream(&rig, "ops").await;
        assert_eq!(tenants.status(&rig, batch(["tenants"])).await, 503);
        stored_once(&rig, &names);
        assert_eq!(tenants.stored(), BTreeMap::new());
        if !refused {
            let ready = rig.client.get(&rig.url("/ready")).await.unwrap();
            assert_eq!(ready.status, 503);
            assert!(ready.text().contains("no usable token for tenants: "), "{}", ready.text());
        }
        let reason = if refused { "upstream_failures" } else { "refused_requests" };
        let reason = format!("prom_remotewrite_{reason}_total{{reason=\"");
        let text = rig.client.get(&rig.url("/metrics")).await.unwrap().text();
        let counted =
            text.lines().filter(|line| line.starts_with(&reason) && !line.ends_with(" 0"));
        let counted: Vec<&str> = counted.collect();
        assert_eq!(counted.len(), 1, "{counted:?}");
        assert!(counted[0].contains("destination=\"tenants\""), "{counted:?}");
    }
}

#[tokio::test]
async fn a_revoked_token_of_one_destination_is_nothing_to_the_other() {
    let mut stage = Stage::new().await;
    let tenants = Other::beside(&mut stage, "tenants").await;
    let rig = stage.ready().await;
    assert_eq!(tenants.status(&rig, batch(["before"])).await, 204);
    let asked = rig.asked(Service::Imds);
    tenants.azure.tokens().revoke_all();
    let (names, status) = tokio::join!(stream(&rig, "ops"), tenants.status(&rig, batch(["after"])));
    assert_eq!(status, 204, "renewed and sent again");
    stored_once(&rig, &names);
    assert_eq!(
        tenants.stored(),
        [("before", 1), ("after", 1)].map(|(name, times)| (name.to_owned(), times)).into()
    );
    assert_eq!(rig.asked(Service::Imds), asked, "the other's token stays");
}

#[tokio::test]
async fn one_batch_is_searched_at_one_destination_and_accepted_at_the_other() {
    let mut stage = Stage::new().await;
    let poison = |setup: &mut Setup| setup.poison = vec!["metric_1234".into()];
    let tenants = Other::with(&mut stage, "tenants", poison).await;
    let rig = stage.ready().await;
    assert_eq!(tenants.status(&rig, batch(["first"])).await, 204);
    let series: Vec<String> = (0..2000).map(|number| format!("metric_{number}")).collect();
    let body = few(series.iter().map(String::as_str));
    let slow = Fault::delay(Duration::from_millis(100));
    tenants.azure.faults(Service::Ingestion).always(slow);
    let (names, searched, accepted) = tokio::join!(
        stream(&rig, "ops"),
        tenants.post(&rig, body.clone()),
        rig.status(body.clone()),
    );
    assert_eq!(searched.status, 400, "{}", searched.text());
    assert_eq!(accepted, 204, "what is remembered of one destination is not the other's");
    let mut stored = tenants.stored();
    assert_eq!(stored.remove("first"), Some(1));
    assert!(stored.len() == 1999 && stored.values().all(|times| *times == 1));
    let mut stored = rig.stored();
    assert!(series.iter().all(|name| stored.remove(name) == Some(1)));
    assert_eq!(stored, names.iter().map(|name| (name.clone(), 1)).collect());
    let of = |destination: &str| {
        let end = format!("destination=\"{destination}\"}} 1");
        move |text: &str| {
            text.lines().any(|line| {
                line.starts_with("prom_remotewrite_refused_samples_total") && line.ends_with(&end)
            })
        }
    };
    let text = rig.client.get(&rig.url("/metrics")).await.unwrap().text();
    assert!(of("tenants")(&text) && !of("")(&text), "{text}");
}

#[tokio::test]
async fn requests_of_two_destinations_that_are_under_way_end_before_the_sidecar() {
    let mut stage = Stage::new().await;
    let tenants = Other::beside(&mut stage, "tenants").await;
    let mut rig = stage.ready().await;
    let slow = Fault::delay(Duration::from_millis(1500));
    rig.azure().faults(Service::Ingestion).push(slow.clone());
    tenants.azure.faults(Service::Ingestion).push(slow);
    let (first, second, ()) =
        tokio::join!(rig.status(batch(["ops"])), tenants.status(&rig, batch(["tenants"])), async {
            while rig.metric("prom_remotewrite_in_flight_requests").await < 2 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            rig.process.signal(Signal::TERM).unwrap();
        });
    assert_eq!([first, second], [204, 204]);
    // Anyone who wrote has gone: ten seconds later it ends.
    rig.client = Client::plain();
    assert!(rig.process.wait(PATIENCE).await.unwrap().success());
    assert!(rig.process.output().contains("stopped: all clients have disconnected"));
    assert_eq!(tenants.stored(), BTreeMap::from([("tenants".to_owned(), 1)]));
    assert_eq!(rig.stored(), BTreeMap::from([("ops".to_owned(), 1)]));
}
