//! The life of tokens, seen from Prometheus' side.

use std::time::{Duration, Instant};

use tests::{
    azure::{Fault, Service},
    keys::authority::ApplicationCertificate,
    machine::process::Process,
};
use tokio::time::sleep;

use super::{PATIENCE, Rig, Stage, batch};

#[tokio::test]
async fn it_listens_without_a_token_and_says_why() {
    let stage = Stage::new().await;
    let refusal = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
    stage.azure.faults(Service::Imds).always(Fault::status(400).body(refusal));
    let rig = stage.start().await;
    let reply = rig.post(batch(["up"])).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.headers["retry-after"]),
        (503, &"2".parse().unwrap())
    );
    assert!(reply.text().contains("Identity not found"), "{}", reply.text());
    let ready = rig.client.get(&rig.url("/ready")).await.unwrap();
    assert_eq!(ready.status, 503);
    assert_eq!(rig.client.get(&rig.url("/health")).await.unwrap().status, 200);
    let begun = Instant::now();
    while rig.asked(Service::Imds) < 4 {
        assert!(begun.elapsed() < PATIENCE, "it asks again and again");
        sleep(Duration::from_millis(50)).await;
    }
    let output = rig.process.output();
    assert_eq!(output.matches("no token: ").count(), 1, "once a minute: {output}");
    rig.azure().faults(Service::Imds).clear();
    let begun = Instant::now();
    while rig.status(batch(["up"])).await != 204 {
        assert!(begun.elapsed() < PATIENCE, "it never recovered:\n{}", rig.process.output());
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_request_at_the_start_waits_a_moment_for_the_first_token() {
    let stage = Stage::new().await;
    stage.azure.faults(Service::Imds).push(Fault::delay(Duration::from_millis(700)));
    let rig = stage.start().await;
    assert_eq!(rig.status(batch(["up"])).await, 204);
}

#[tokio::test]
async fn the_pause_that_the_identity_service_asks_for_is_kept() {
    let stage = Stage::new().await;
    let asked = Duration::from_secs(6);
    stage.azure.faults(Service::Imds).push(Fault::status(429).header("retry-after", "6"));
    let rig = stage.ready().await;
    let requests = rig.azure().requests(Service::Imds);
    let [first, second] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((first.status, second.status), (Some(429), Some(200)));
    assert!(second.at.duration_since(first.at).unwrap() >= asked);
    assert_eq!(rig.status(batch(["up"])).await, 204);
}

#[tokio::test]
async fn tokens_that_live_seconds_are_renewed_in_time() {
    let stage = Stage::new().await;
    stage.azure.change(|setup| setup.metadata_cache = false);
    stage.azure.issue_tokens_for(Duration::from_secs(3));
    let rig = stage.ready().await;
    let begun = Instant::now();
    accepts_for(&rig, begun, Duration::from_secs(8)).await;
    assert!(rig.azure().tokens().count() >= 4);
    assert_eq!(rig.metric("prom_remotewrite_replayed_requests_total").await, 0);
}

#[tokio::test]
async fn a_token_that_ends_before_the_one_that_it_replaces_is_renewed_in_time() {
    let stage = Stage::new().await;
    stage.azure.change(|setup| setup.metadata_cache = false);
    stage.azure.issue_tokens_for(Duration::from_secs(10));
    let rig = stage.ready().await;
    let begun = Instant::now();
    rig.azure().issue_tokens_for(Duration::from_secs(3));
    // Long enough to be seen, were the end waited for.
    rig.azure().faults(Service::Imds).always(Fault::delay(Duration::from_millis(300)));
    accepts_for(&rig, begun, Duration::from_secs(12)).await;
    assert!(rig.azure().tokens().count() >= 4);
}

#[tokio::test]
async fn the_old_token_is_served_while_the_identity_service_is_down() {
    let stage = Stage::new().await;
    stage.azure.issue_tokens_for(Duration::from_secs(6));
    let rig = stage.ready().await;
    rig.azure().faults(Service::Imds).always(Fault::status(500));
    let begun = Instant::now();
    accepts_for(&rig, begun, Duration::from_millis(4500)).await;
    assert!(rig.asked(Service::Imds) > 1, "the refresh was tried");
    while begun.elapsed() < Duration::from_secs(7) {
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(rig.status(batch(["up"])).await, 503);
    rig.azure().faults(Service::Imds).clear();
    let recovered = Instant::now();
    while rig.status(batch(["up"])).await != 204 {
        assert!(recovered.elapsed() < PATIENCE, "{}", rig.process.output());
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_revoked_token_is_renewed_once_for_all_who_met_it() {
    let stage = Stage::new().await;
    stage.azure.change(|setup| setup.metadata_cache = false);
    let rig = stage.ready().await;
    assert_eq!(rig.status(batch(["up"])).await, 204);
    rig.azure().tokens().revoke_all();
    rig.azure().faults(Service::Imds).push(Fault::delay(Duration::from_millis(300)));
    let (one, two, three, four) = tokio::join!(
        rig.status(batch(["a"])),
        rig.status(batch(["b"])),
        rig.status(batch(["c"])),
        rig.status(batch(["d"])),
    );
    assert_eq!([one, two, three, four], [204; 4]);
    assert_eq!(rig.asked(Service::Imds), 2, "one refresh");
    assert_eq!(rig.metric("prom_remotewrite_replayed_requests_total").await, 4);
    assert_eq!(rig.stored().len(), 5);
}

#[tokio::test]
async fn a_service_that_repeats_a_refused_token_is_not_stormed() {
    let rig = Stage::new().await.ready().await;
    rig.azure().tokens().revoke_all();
    for _ in 0..30 {
        let reply = rig.post(batch(["up"])).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.headers["retry-after"]),
            (503, &"5".parse().unwrap())
        );
    }
    assert!(rig.asked(Service::Imds) <= 2, "{} requests", rig.asked(Service::Imds));
}

#[tokio::test]
async fn an_application_signs_with_the_certificate_that_lies_in_the_file_now() {
    let mut stage = Stage::new().await;
    stage.be_the_application();
    let mut rig = stage.ready().await;
    assert_eq!(rig.status(batch(["up"])).await, 204);
    let second = ApplicationCertificate::new("second").unwrap();
    rig.azure().change(|setup| setup.applications[0].certificates = vec![second.der().to_vec()]);
    rig.replace("certificate", b"no certificate");
    let kept = |line: &str| line.contains("the old one is kept").then_some(());
    rig.process.line("a bad file is reported", PATIENCE, kept).await.unwrap();
    rig.replace("certificate", &second.pfx().unwrap());
    let (client, url) = (rig.client.clone(), rig.url("/metrics"));
    let fetched = async |_: &Process| {
        let text = client.get(&url).await.ok()?.text();
        let with_new = r#"token_fetches_total{reason="certificate",result="ok",destination=""} 1"#;
        text.contains(with_new).then_some(())
    };
    rig.process.until("a token came with the new certificate", PATIENCE, fetched).await.unwrap();
    rig.azure().tokens().revoke_all();
    assert_eq!(rig.status(batch(["up"])).await, 204);
}

#[tokio::test]
async fn a_new_certificate_replaces_the_old_one_when_entra_knows_it() {
    const WEEK: Duration = Duration::from_hours(7 * 24);
    let mut stage = Stage::new().await;
    stage.certificate = ApplicationCertificate::valid_for("first", WEEK).unwrap();
    let first = stage.certificate.der().to_vec();
    stage.azure.change(|setup| setup.applications[0].certificates = vec![first.clone()]);
    stage.be_the_application();
    let mut rig = stage.ready().await;
    let ends_soon = |line: &str| line.contains("--enable-secret-rotation").then_some(());
    rig.process.line("the end that is near is announced", PATIENCE, ends_soon).await.unwrap();
    let old_end = rig.expiry("certificate").await;
    assert!(rig.expiry("next_certificate").await < 1.0);

    let second = ApplicationCertificate::new("second").unwrap();
    rig.replace("certificate", &second.pfx().unwrap());
    let refused = |line: &str| line.contains("the old one stays in use").then(|| line.to_owned());
    let line = rig.process.line("the new one is refused", PATIENCE, refused).await.unwrap();
    for part in ["AADSTS700027", "CN=first", "CN=second", "trace id", "correlation id"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let (client, url) = (rig.client.clone(), rig.url("/metrics"));
    let metrics = async |series: &str| client.get(&url).await.unwrap().text().contains(series);
    let waits = Instant::now();
    while rig.expiry("next_certificate").await < 1.0 {
        assert!(waits.elapsed() < PATIENCE, "{}", rig.process.output());
        sleep(Duration::from_millis(50)).await;
    }
    assert!((rig.expiry("certificate").await - old_end).abs() < 1.0);
    rig.azure().tokens().revoke_all();
    assert_eq!(rig.status(batch(["up"])).await, 204, "a token comes with the old one");
    assert!(!metrics(r#"result="entra_refused""#).await, "nothing failed");

    let der = second.der().to_vec();
    rig.azure().change(|setup| setup.applications[0].certificates.push(der));
    let accepted = |line: &str| line.contains("it is now in use").then_some(());
    rig.process.line("the new one is accepted", PATIENCE * 2, accepted).await.unwrap();
    let waits = Instant::now();
    while rig.expiry("next_certificate").await > 0.0 {
        assert!(waits.elapsed() < PATIENCE, "{}", rig.process.output());
        sleep(Duration::from_millis(50)).await;
    }
    assert!(rig.expiry("certificate").await > old_end);
}

#[tokio::test]
async fn a_certificate_that_ends_gives_way_to_the_one_in_the_file() {
    let mut stage = Stage::new().await;
    stage.azure.issue_tokens_for(Duration::from_secs(4));
    stage.certificate =
        ApplicationCertificate::valid_for("first", Duration::from_secs(20)).unwrap();
    let first = stage.certificate.der().to_vec();
    let second = ApplicationCertificate::new("second").unwrap();
    stage.azure.change(|setup| setup.applications[0].certificates = vec![first.clone()]);
    stage.be_the_application();
    let rig = stage.ready().await;
    let begun = Instant::now();
    rig.replace("certificate", &second.pfx().unwrap());
    // The third try of the new one would come after half a minute.
    accepts_for(&rig, begun, Duration::from_secs(13)).await;
    let both = vec![first, second.der().to_vec()];
    rig.azure().change(|setup| setup.applications[0].certificates = both);
    accepts_for(&rig, begun, Duration::from_secs(24)).await;
    assert!(rig.process.output().contains("it is now in use"), "{}", rig.process.output());
}

impl Stage {
    /// As Container Apps have it: an endpoint of the platform, and no metadata service.
    /// Returns the value of the endpoint's header.
    pub(super) fn in_container_app(&mut self) -> String {
        let refused = format!("http://127.0.0.1:{}", tests::machine::ports::free().unwrap());
        self.set("AZURE_POD_IDENTITY_AUTHORITY_HOST", refused);
        let (endpoint, header) = self.azure.identity_endpoint();
        let header = header.to_owned();
        self.set("IDENTITY_ENDPOINT", endpoint);
        self.set("IDENTITY_HEADER", header.clone());
        header
    }
}

#[tokio::test]
async fn a_container_app_has_an_endpoint_of_its_own() {
    let mut stage = Stage::new().await;
    let header = stage.in_container_app();
    stage.set("IDENTITY_SERVER_THUMBPRINT", "0123456789ABCDEF0123456789ABCDEF01234567");
    let rig = stage.ready().await;
    assert_eq!(rig.status(batch(["up"])).await, 204);
    assert!(!rig.process.output().contains(&header));
}

#[tokio::test]
async fn a_write_in_a_gap_of_tokens_waits_for_the_one_that_comes() {
    let stage = Stage::new().await;
    stage.azure.change(|setup| setup.metadata_cache = false);
    stage.azure.issue_tokens_for(Duration::from_secs(3));
    let rig = stage.ready().await;
    let begun = Instant::now();
    // The refresh is in progress when the token ends, and takes a second longer.
    let slow = Fault::delay(Duration::from_millis(2600));
    rig.azure().faults(Service::Imds).push(slow);
    sleep(Duration::from_millis(3300).saturating_sub(begun.elapsed())).await;
    let asked = Instant::now();
    assert_eq!(rig.status(batch(["up"])).await, 204);
    assert!(asked.elapsed() < Duration::from_secs(3));
    let upstream = rig.azure().requests(Service::Ingestion);
    assert!(upstream.iter().all(|request| request.status == Some(204)), "no 401");
}

impl Rig {
    /// Puts a file in the place of another, whole.
    fn replace(&self, name: &str, content: &[u8]) {
        let new = self.stage.file("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(&new, self.stage.file(name)).unwrap();
    }

    /// When something ends, by the sidecar's metrics: seconds since 1970.
    async fn expiry(&self, what: &str) -> f64 {
        let text = self.client.get(&self.url("/metrics")).await.unwrap().text();
        let name = format!("prom_remotewrite_{what}_expiry_timestamp_seconds{{destination=\"\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&name)).unwrap();
        value.parse().unwrap()
    }
}

/// Every write is taken for so long from the beginning.
async fn accepts_for(rig: &Rig, begun: Instant, time: Duration) {
    while begun.elapsed() < time {
        assert_eq!(rig.status(batch(["up"])).await, 204, "after {:?}", begun.elapsed());
        sleep(Duration::from_millis(50)).await;
    }
}
