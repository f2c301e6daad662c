//! Connections to Azure: whom they trust, and which answers are understood.

use std::{fs, time::Duration};

use tests::{
    azure::{Fault, Moment, Service},
    keys::authority::Authority,
    kubernetes::kubelet::{AtomicFolder, Files},
};
use tokio::time::{Instant, sleep};

use super::{PATIENCE, Rig, Stage, batch};

impl Rig {
    /// Posts until the answer has this status; changed roots are taken after seconds.
    async fn until_status(&self, status: u16) {
        let begun = Instant::now();
        loop {
            let reply = self.post(batch(["up"])).await;
            if reply.status == status {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "no {status}: {}", self.process.output());
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until a metric has this value.
    async fn until_metric(&self, series: &str, value: u64) {
        let begun = Instant::now();
        while self.metric(series).await != value {
            assert!(begun.elapsed() < PATIENCE, "{series} is not {value}");
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Azure's certificate is issued by another authority from now on.
    async fn reissue(&self) -> Authority {
        let authority = Authority::new("next").unwrap();
        self.azure().present(authority.server(&["localhost", "127.0.0.1", "::1"]).unwrap());
        // Kept connections would hide it.
        self.azure().faults(Service::Ingestion).push(Fault::drop(Moment::BeforeBody));
        self.until_status(503).await;
        authority
    }
}

const RELOADED: &str = "prom_remotewrite_trusted_roots_last_reload_successful ";
const HANDSHAKES: &str = "prom_remotewrite_tls_handshakes_total{peer=\"ingestion\",result=";

#[tokio::test]
async fn new_roots_are_taken_without_a_restart() {
    let mut rig = Stage::new().await.ready().await;
    let file = rig.stage.file("ca.pem");
    assert_eq!(rig.status(batch(["up"])).await, 204);
    let next = rig.reissue().await;
    assert!(rig.metric(&format!("{HANDSHAKES}\"failed\"")).await > 0);
    let output = rig.process.output();
    let advice = format!("SSL_CERT_FILE={}): add the root", file.display());
    assert!(output.contains(&advice), "{output}");

    fs::write(&file, "no certificate").unwrap();
    rig.until_metric(RELOADED, 0).await;
    fs::write(&file, next.pem()).unwrap();
    rig.until_status(204).await;
    rig.until_metric(RELOADED, 1).await;
    let output = rig.end().await;
    let count = |text: &str| output.matches(text).count();
    assert_eq!(count("but the old ones stay in use"), 1, "{output}");
    assert_eq!(count("the trusted roots have changed: new"), 1, "{output}");
}

/// As the kubelet replaces what it mounts, for data and for tokens.
#[tokio::test]
async fn a_mounted_folder_of_roots_is_read_again() {
    let mut stage = Stage::new().await;
    stage.be_the_application();
    let folder = AtomicFolder::new(&stage.file("roots")).unwrap();
    let files = |roots: &[String]| -> Files {
        let named = roots.iter().enumerate();
        named.map(|(index, pem)| (format!("{index}.pem"), pem.clone().into_bytes())).collect()
    };
    let bad = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_owned();
    folder.write(&files(&[stage.azure.trust(), bad])).unwrap();
    stage.variables.remove("SSL_CERT_FILE");
    stage.set("SSL_CERT_DIR", folder.path().to_str().unwrap());
    let rig = stage.ready().await;
    assert!(rig.process.output().contains("a trusted root cannot be used, the others are"));
    let next = rig.reissue().await;
    folder.write(&files(&[next.pem(), rig.azure().trust()])).unwrap();
    rig.until_status(204).await;
    rig.azure().tokens().revoke_all();
    assert_eq!(rig.status(batch(["up"])).await, 204, "a token is fetched over new roots");
    // A root that is not trusted any more ends the connections that it verified.
    folder.write(&files(&[rig.azure().trust()])).unwrap();
    rig.until_status(503).await;
}

#[tokio::test]
async fn an_answer_with_a_large_head_is_understood_and_not_sent_again() {
    let rig = Stage::new().await.ready().await;
    let faults = rig.azure().faults(Service::Ingestion);
    let asked = rig.asked(Service::Ingestion);
    for (fields, length) in [(65, 1), (250, 100), (3, 20_000), (300, 10), (8, 12_000)] {
        let fault = (0..fields).fold(Fault::status(204), |fault, index| {
            fault.header(&format!("x-filler-{index}"), &"a".repeat(length))
        });
        faults.push(fault);
        assert_eq!(rig.status(batch(["up"])).await, 204, "{fields} fields of {length} bytes");
    }
    assert_eq!(rig.asked(Service::Ingestion), asked + 5);
    assert_eq!(rig.metric("prom_remotewrite_upstream_requests_total ").await, 5);
    assert_eq!(
        rig.metric(&format!("{HANDSHAKES}\"ok\"")).await,
        rig.azure().connections(Service::Ingestion)
    );
}

#[tokio::test]
async fn request_ids_come_back_and_what_is_compressed_is_not_shown() {
    let mut rig = Stage::new().await.ready().await;
    let faults = rig.azure().faults(Service::Ingestion);
    for name in ["x-ms-request-id", "x-ms-correlation-request-id", "request-id"] {
        faults.push(Fault::status(403).header(name, "0f0f-1").body("no"));
        assert_eq!(rig.post(batch(["up"])).await.headers[name], "0f0f-1");
    }
    let compressed: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3];
    let fault = Fault::status(403).header("content-encoding", "gzip").body(compressed);
    faults.push(fault);
    let reply = rig.post(batch(["up"])).await;
    assert!(reply.text().contains("compressed with gzip: 13 bytes"), "{}", reply.text());
    assert!(!reply.headers.contains_key("content-encoding"));
    assert!(!rig.end().await.contains('\u{1f}'));
}
