//! The stand-in as a program: registered by a file, asked and broken through its
//! admin port.

use std::{fs, time::Duration};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{
    azure::{Report, Reported},
    client::{Client, Reply},
    keys::authority::{ApplicationCertificate, Authority},
    machine::{
        ports,
        process::{Process, Program},
    },
    product::binaries,
};

use super::ingestion::{HEADERS, good};

const MANAGED: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
const APPLICATION: &str = "11112222-bbbb-3333-cccc-4444dddd5555";
const RULE: &str = "dcr-00000000000000000000000000000001";
const STARTS_WITHIN: Duration = Duration::from_secs(20);

struct Running {
    client: Client,
    imds: String,
    ingestion: String,
    admin: String,
    _process: Process,
    _folder: TempDir,
}

impl Running {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("test").unwrap();
        let (certificate, key) = authority.server_pem(&["localhost"]).unwrap();
        let writer = ApplicationCertificate::new("writer").unwrap().certificate_pem();
        let registration = json!({
            "tenant": "aaaabbbb-0000-cccc-1111-dddd2222eeee",
            "writers": [
                {"clientId": MANAGED, "rule": RULE, "identity": "managed"},
                {
                    "clientId": APPLICATION,
                    "rule": "dcr-00000000000000000000000000000002",
                    "identity": {"certificate": folder.path().join("writer.crt")},
                },
            ],
        });
        for (name, content) in [
            ("tls.crt", certificate),
            ("tls.key", key),
            ("ca.crt", authority.pem()),
            ("writer.crt", writer),
            ("registration.yaml", registration.to_string()),
        ] {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let [imds, entra, ingestion, admin] = [(); 4].map(|()| ports::free().unwrap());
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut process = Program::new("azure", binaries::find(binaries::AZURE).unwrap())
            .args(["--registration", &path("registration.yaml"), "--certificate", &path("")])
            .arg(format!("--imds=127.0.0.1:{imds}"))
            .arg(format!("--entra=127.0.0.1:{entra}"))
            .arg(format!("--ingestion=127.0.0.1:{ingestion}"))
            .arg(format!("--admin=127.0.0.1:{admin}"))
            .start()
            .unwrap();
        let said = |line: &str| line.contains("admin on").then_some(());
        process.line("it was up", STARTS_WITHIN, said).await.unwrap();
        Self {
            client: Client::new(authority.roots().unwrap()),
            imds: format!("http://127.0.0.1:{imds}"),
            ingestion: format!("https://localhost:{ingestion}"),
            admin: format!("http://127.0.0.1:{admin}"),
            _process: process,
            _folder: folder,
        }
    }

    async fn admin(&self, method: Method, path: &str, body: &str) -> Reply {
        let url = format!("{}/{path}", self.admin);
        let headers = [("content-type", "application/json")];
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.client.call(method, &url, &headers, body).await.unwrap()
    }

    async fn token(&self) -> Reply {
        let url = format!(
            "{}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmonitor.azure.com%2F",
            self.imds
        );
        self.client.call(Method::GET, &url, &[("metadata", "true")], Bytes::new()).await.unwrap()
    }

    async fn write(&self, token: &str) -> u16 {
        let url = format!(
            "{}/dataCollectionRules/{RULE}/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24",
            self.ingestion
        );
        let bearer = format!("Bearer {token}");
        let headers = [&HEADERS[..], &[("authorization", &bearer)]].concat();
        self.client.post(&url, &headers, good()).await.unwrap().status.as_u16()
    }
}

#[tokio::test]
async fn it_says_what_was_stored_and_what_was_refused() {
    let azure = Running::start().await;
    assert_eq!(azure.admin(Method::GET, "ready", "").await.status, 200);
    let token: Value = azure.token().await.json().unwrap();
    let token = token["access_token"].as_str().unwrap();
    assert_eq!(azure.write(token).await, 204);
    assert_eq!(azure.write(token).await, 204);
    assert_eq!(azure.write("another").await, 401);

    let status: Value = azure.admin(Method::GET, "status", "").await.json().unwrap();
    let kept = &status["rules"][RULE];
    assert_eq!(kept["samples"], 1);
    assert_eq!(kept["duplicates"], 1);
    assert_eq!(kept["writers"], json!({MANAGED: 2}));
    let refused = status["answers"].as_array().unwrap().iter().find(|one| one["status"] == 401);
    assert_eq!(
        refused.unwrap(),
        &json!({
            "service": "ingestion", "status": 401, "count": 1,
            "reason": "The authentication token is invalid: the signature is invalid.",
        })
    );

    let report = async |from: i64, to: i64| -> Report {
        let path = format!("samples/{RULE}/{from}/{to}");
        azure.admin(Method::GET, &path, "").await.json().unwrap()
    };
    let labels = [("__name__", "up"), ("job", "a")];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let sample = (1000, "1".to_owned());
    let series = vec![Reported { labels, samples: vec![sample.clone(), sample] }];
    assert_eq!(report(1000, 1000).await, Report { duplicates: 1, conflicts: 0, series });
    assert_eq!(report(1001, 2000).await.series, []);
}

#[tokio::test]
async fn it_fails_as_configured() {
    let azure = Running::start().await;
    let put = async |path: &str, body: Value| {
        azure.admin(Method::PUT, path, &body.to_string()).await.status.as_u16()
    };
    assert_eq!(put("faults/imds", json!({"status": 503, "times": 1})).await, 204);
    assert_eq!(azure.token().await.status, 503);
    assert_eq!(azure.token().await.status, 200);
    assert_eq!(put("faults/imds", json!({"status": 429})).await, 204);
    assert_eq!(azure.token().await.status, 429);
    assert_eq!(azure.token().await.status, 429);
    assert_eq!(azure.admin(Method::DELETE, "faults/imds", "").await.status, 204);
    assert_eq!(azure.token().await.status, 200);

    assert_eq!(put("faults/storage", json!({"status": 503})).await, 404);
    assert_eq!(put("faults/imds", json!({"status": 503, "hang": true})).await, 400);
    assert_eq!(put("faults/imds", json!({"statsu": 503})).await, 422);
    assert_eq!(azure.admin(Method::PUT, "lifetime", "60").await.status, 204);
    let token: Value = azure.token().await.json().unwrap();
    assert_eq!(token["expires_in"], "60");
    assert_eq!(azure.admin(Method::POST, "revoke", "").await.status, 200);
    assert_eq!(azure.write(token["access_token"].as_str().unwrap()).await, 401);
}

#[tokio::test]
async fn certificates_are_registered_while_it_runs() {
    let azure = Running::start().await;
    let pem = ApplicationCertificate::new("next").unwrap().certificate_pem();
    let path = format!("applications/{APPLICATION}/certificates");
    for method in [Method::POST, Method::PUT] {
        assert_eq!(azure.admin(method, &path, &pem).await.status, 204);
    }
    let path = format!("applications/{MANAGED}/certificates");
    assert_eq!(azure.admin(Method::PUT, &path, &pem).await.status, 404);
}
