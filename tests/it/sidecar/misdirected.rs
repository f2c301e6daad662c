//! Remote writes that go to the wrong path or come from the wrong address, and
//! questions that are no writes: a sender never drops a batch for these.

use std::net::IpAddr;

use bytes::Bytes;
use tests::azure::Service;

use super::{HEADERS, PATIENCE, Rig, Stage, batch, own_address};

const REFUSED: &str = "prom_remotewrite_refused_requests_total";

fn refused(reason: &str) -> String {
    format!("{REFUSED}{{reason=\"{reason}\"}}")
}

#[tokio::test]
async fn a_slash_too_many_is_forgiven_and_another_path_is_explained() {
    let mut rig = Stage::new().await.ready().await;
    for path in ["/api/v1/write/", "//api/v1/write", "/api//v1/write//?a=b"] {
        let reply = rig.client.post(&rig.url(path), &HEADERS, batch(["up"])).await.unwrap();
        assert_eq!(reply.status, 204, "{path}");
    }
    let asked = rig.asked(Service::Ingestion);
    let others = ["/", "/write", "/api/v1/push", "/api/v1/receive", "/api/v1/write/x", "/health"];
    for path in others {
        let reply = rig.client.post(&rig.url(path), &HEADERS, batch(["up"])).await.unwrap();
        assert_eq!(reply.status, 503, "{path}");
        assert_eq!(reply.headers["retry-after"], "5");
        let remedy = format!("set url to http://localhost:{}/api/v1/write", rig.port);
        assert!(reply.text().contains(&remedy), "{path}: {}", reply.text());
    }
    // Without such a header, the path decides.
    let url = rig.url("/api/v1/push");
    assert_eq!(rig.client.post(&url, &[], batch(["up"])).await.unwrap().status, 503);
    assert_eq!(rig.asked(Service::Ingestion), asked);
    assert_eq!(rig.metric(&refused("wrong_path")).await, 7);
    let said = |line: &str| {
        line.contains("level=warn").then(|| line.contains("set url to")).filter(|said| *said)
    };
    rig.process.line("the remedy is logged", PATIENCE, said).await.unwrap();
    assert_eq!(rig.process.output().matches("set url to").count(), 1, "once a minute");
    // No write: nothing to keep.
    let json = [("content-type", "application/json")];
    for (path, status) in [("/", 404), ("/api/v1/push", 404), ("/health", 405)] {
        let reply = rig.client.post(&rig.url(path), &json, "{}").await.unwrap();
        assert_eq!(reply.status, status, "{path}");
        assert!(!reply.text().is_empty());
    }
}

#[tokio::test]
async fn a_writer_that_is_not_allowed_keeps_its_batch_and_gets_the_fix() {
    let Some(address) = own_address() else { return };
    for mode in ["protective", "transparent"] {
        let mut stage = Stage::new().await;
        stage.set("RESPONSE_MODE", mode);
        let mut rig = stage.ready().await;
        for path in ["/api/v1/write", "/api/v1/write/", "/api/v1/push"] {
            let url = from_elsewhere(&rig, address, path);
            let reply = rig.client.post(&url, &HEADERS, batch(["up"])).await.unwrap();
            assert_eq!(reply.status, 503, "{path}");
            assert_eq!(reply.headers["retry-after"], "5");
            for part in ["ACCEPT_FROM=any", &address.to_string(), "with this identity"] {
                assert!(reply.text().contains(part), "{}", reply.text());
            }
        }
        let url = from_elsewhere(&rig, address, "/api/v1/write");
        let json = [("content-type", "application/json")];
        assert_eq!(rig.client.post(&url, &json, "{}").await.unwrap().status, 403);
        assert_eq!(rig.client.get(&url).await.unwrap().status, 405);
        let url = from_elsewhere(&rig, address, "/health");
        assert_eq!(rig.client.get(&url).await.unwrap().status, 200);
        assert_eq!(rig.asked(Service::Ingestion), 0);
        assert_eq!(rig.metric(&refused("foreign_peer")).await, 4);
        let said = |line: &str| line.contains("ACCEPT_FROM=any").then_some(());
        rig.process.line("the remedy is logged", PATIENCE, said).await.unwrap();
    }
    let mut stage = Stage::new().await;
    stage.set("ACCEPT_FROM", "any");
    let rig = stage.ready().await;
    let url = from_elsewhere(&rig, address, "/api/v1/write");
    assert_eq!(rig.client.post(&url, &HEADERS, batch(["up"])).await.unwrap().status, 204);
}

#[tokio::test]
async fn vmagents_questions_are_declined_and_no_trouble() {
    let mut rig = Stage::new().await.ready().await;
    let url = rig.url("/api/v1/write?get_vm_proto_version=1");
    assert_eq!(rig.client.post(&url, &[], Bytes::new()).await.unwrap().status, 415);
    let zstd = [("content-type", "application/x-protobuf"), ("content-encoding", "zstd")];
    let body = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0];
    let reply = rig.client.post(&rig.url("/api/v1/write"), &zstd, body).await.unwrap();
    assert_eq!(reply.status, 415, "it sends snappy then");
    assert!(reply.text().contains("snappy"), "{}", reply.text());
    assert_eq!(rig.status(batch(["up"])).await, 204);
    assert_eq!(rig.metric(&refused("protocol_question")).await, 2);
    assert_eq!(rig.metric(REFUSED).await, 2, "nothing else");
    let said = |line: &str| line.contains("protocol_question").then_some(());
    rig.process.line("it is mentioned", PATIENCE, said).await.unwrap();
    let log = rig.process.output();
    assert_eq!(log.matches("protocol_question").count(), 1, "{log}");
    assert!(!log.contains("level=warn"), "{log}");
}

fn from_elsewhere(rig: &Rig, address: IpAddr, path: &str) -> String {
    format!("http://{address}:{}{path}", rig.port)
}
