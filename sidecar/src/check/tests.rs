//! `check` as a whole, where no Azure is needed.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

const CLIENT_ID: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";

fn environment(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn statuses(report: &Report) -> String {
    let words: Vec<&str> = report.steps.iter().map(|step| step.status.word()).collect();
    words.join(" ")
}

async fn checked(variables: &[(&str, &str)], time: Duration) -> Report {
    #[expect(clippy::disallowed_methods, reason = "a test is at the edge")]
    check(environment(variables), time, SystemTime::now).await
}

#[tokio::test]
async fn every_error_is_reported_and_nothing_else_is_tried() {
    let report =
        checked(&[("IDENTITY_TYPE", "managed"), ("CLOUD", "mars")], Duration::from_secs(5)).await;
    let configuration = &report.steps[0];
    assert_eq!(configuration.detail, "3 errors");
    let remedy = configuration.remedy.as_deref().unwrap();
    for name in ["INGESTION_URL is missing", "IDENTITY_TYPE=\"managed\"", "CLOUD=\"mars\""] {
        assert!(remedy.lines().any(|line| line.starts_with(name)), "{remedy}");
    }
    assert_eq!(statuses(&report), format!("failed{}", " skipped".repeat(9)));
    assert_eq!(report.exit_status(), 78);
}

#[tokio::test]
async fn roots_that_are_not_there_keep_the_sidecar_from_starting() {
    let report = checked(
        &[
            ("INGESTION_URL", "https://localhost:1/"),
            ("IDENTITY_TYPE", "systemAssigned"),
            ("SSL_CERT_FILE", "/nowhere/roots.pem"),
        ],
        Duration::from_secs(5),
    )
    .await;
    assert_eq!(statuses(&report), format!("warning failed{}", " skipped".repeat(8)));
    assert!(report.steps[1].detail.contains("/nowhere/roots.pem"), "{report:?}");
    assert_eq!(report.exit_status(), 78);
}

#[tokio::test]
async fn a_peer_that_never_answers_is_bounded_by_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let begun = Instant::now();
    let report = checked(
        &[
            ("INGESTION_URL", &address),
            ("IDENTITY_TYPE", "userAssigned"),
            ("AZURE_CLIENT_ID", CLIENT_ID),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", &address),
        ],
        Duration::from_millis(300),
    )
    .await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(statuses(&report), "warning ok ok ok ok ok ok failed skipped skipped");
    assert_eq!(report.steps[7].detail, "the time for the whole check is over");
    assert_eq!(report.exit_status(), 1);
}

#[tokio::test]
async fn the_proxy_step_names_every_way_and_no_password() {
    let report = checked(
        &[
            ("INGESTION_URL", "https://ingestion.invalid/"),
            ("IDENTITY_TYPE", "aadApplication"),
            ("AZURE_CLIENT_ID", CLIENT_ID),
            ("AZURE_TENANT_ID", CLIENT_ID),
            ("MDM_CERT_PATH", "/nowhere/certificate"),
            ("HTTPS_PROXY", "http://user:s3cret@127.0.0.1:1"),
            ("NO_PROXY", ".microsoftonline.com"),
        ],
        Duration::from_secs(20),
    )
    .await;
    assert_eq!(statuses(&report), "warning ok ok ok failed skipped failed skipped skipped skipped");
    assert_eq!(
        report.steps[2].detail,
        "ingestion ingestion.invalid through 127.0.0.1:1; authority login.microsoftonline.com directly"
    );
    assert_eq!(report.steps[3].detail, "the proxy 127.0.0.1 is an address already");
    let remedy = report.steps[4].remedy.as_deref().unwrap();
    assert!(remedy.contains("check that 127.0.0.1:1 is up and an HTTP proxy"), "{remedy}");
    assert!(report.steps[6].detail.contains("/nowhere/certificate"), "{report:?}");
    assert!(!report.json().contains("s3cret"));
}

#[tokio::test]
async fn a_proxy_that_wants_another_password_is_named_without_it() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = proxy.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = proxy.accept().await.unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).await.unwrap();
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(refusal).await.unwrap();
        assert!(request[..length].starts_with(b"CONNECT ingestion.invalid:443 "));
    });
    let report = checked(
        &[
            ("INGESTION_URL", "https://ingestion.invalid/"),
            ("IDENTITY_TYPE", "systemAssigned"),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1"),
            ("HTTPS_PROXY", &format!("user:s3cret@127.0.0.1:{port}")),
        ],
        Duration::from_secs(20),
    )
    .await;
    let step = &report.steps[4];
    assert_eq!((step.name, step.status), ("tcp", Status::Failed));
    assert!(step.detail.contains("answered 407 to CONNECT"), "{step:?}");
    assert!(step.remedy.as_deref().unwrap().contains(&format!("127.0.0.1:{port}")), "{step:?}");
    assert!(!report.json().contains("s3cret"));
}

#[tokio::test]
async fn one_destination_that_never_answers_takes_no_time_of_another() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let report = checked(
        &[
            ("INGESTION_URL", &address),
            ("IDENTITY_TYPE", "systemAssigned"),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", &address),
            ("INGESTION_URL_TENANTS", "http://127.0.0.1:1/"),
            ("IDENTITY_TYPE_TENANTS", "workloadIdentity"),
            ("AZURE_CLIENT_ID_TENANTS", CLIENT_ID),
            ("AZURE_TENANT_ID_TENANTS", CLIENT_ID),
            ("AZURE_FEDERATED_TOKEN_FILE_TENANTS", "/nowhere/token"),
        ],
        Duration::from_millis(500),
    )
    .await;
    assert_eq!(
        statuses(&report),
        "warning ok ok ok ok ok ok failed skipped skipped ok ok failed skipped failed skipped skipped skipped"
    );
    let step = &report.steps[14];
    assert_eq!((step.name, step.destination.as_deref()), ("identity", Some("tenants")));
    assert!(step.detail.contains("/nowhere/token"), "{step:?}");
    let text = report.text();
    for line in ["\ndestination at /api/v1/write\n", "\ndestination at /tenants/api/v1/write\n"] {
        assert_eq!(text.matches(line).count(), 1, "{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(json["steps"][14]["destination"], "tenants");
    assert_eq!(json["steps"][2].get("destination"), None);
    assert_eq!(report.exit_status(), 1);
}
