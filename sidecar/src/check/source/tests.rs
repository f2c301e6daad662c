//! Certificates and service account tokens as they are found in pods.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use tempfile::TempDir;

use super::*;
use crate::check::report::{Report, Status, Step, step};

const NOW: u64 = 1_800_000_000;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn noted(found: Found<()>) -> Step {
    let mut report = Report::new();
    report.note(step::IDENTITY, found);
    report.steps.into_iter().find(|found| found.name == step::IDENTITY).unwrap()
}

async fn service_account_step(content: &str) -> Step {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, content).unwrap();
    noted(service_account(&path, ENTRA, at(NOW)).await)
}

fn jwt(claims: &str) -> String {
    format!("e30.{}.s3cret", BASE64_URL_SAFE_NO_PAD.encode(claims))
}

#[tokio::test]
async fn a_service_account_token_shows_what_the_federated_credential_must_say() {
    let claims = format!(
        r#"{{"aud":["api://AzureADTokenExchange"],"iss":"https://oidc.example/","sub":"system:serviceaccount:monitoring:prometheus","exp":{}}}"#,
        NOW + 3600
    );
    let step = service_account_step(&(jwt(&claims) + "\n")).await;
    assert_eq!((step.status, step.remedy), (Status::Ok, None));
    assert!(step.detail.ends_with(
        "issuer https://oidc.example/, subject system:serviceaccount:monitoring:prometheus, audience api://AzureADTokenExchange, expires in 60 min"
    ), "{}", step.detail);
    assert!(!step.detail.contains("s3cret"));
}

#[tokio::test]
async fn errors_of_a_service_account_token() {
    let check = async |content: &str, status: Status, remedy: &str| {
        let step = service_account_step(content).await;
        assert_eq!(step.status, status, "{content}");
        assert!(step.remedy.as_deref().unwrap().contains(remedy), "{step:?}");
    };
    let foreign = format!(r#"{{"aud":"https://kubernetes","exp":{}}}"#, NOW + 1);
    check(&jwt(&foreign), Status::Warning, "expects the audience api://AzureADTokenExchange").await;
    let of_entra = format!(r#"{{"aud":"api://AzureADTokenExchange","exp":{}}}"#, NOW + 1);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, jwt(&of_entra)).unwrap();
    let step = noted(service_account(&path, TOKEN_PROXY, at(NOW)).await);
    assert!(step.remedy.unwrap().starts_with("the token proxy expects the audience api://AKSId"));
    let ended = format!(r#"{{"aud":"api://AzureADTokenExchange","exp":{NOW}}}"#);
    check(&jwt(&ended), Status::Warning, "it has expired").await;
    check("opaque", Status::Warning, "not a JWT").await;
    check(" \n", Status::Failed, "project a service account token").await;
    let missing = noted(service_account(Path::new("/nowhere/token"), ENTRA, at(NOW)).await);
    assert_eq!(missing.status, Status::Failed);
    assert!(missing.detail.contains("AZURE_FEDERATED_TOKEN_FILE=/nowhere/token"), "{missing:?}");
}

#[tokio::test]
async fn foreign_words_stay_on_one_line() {
    let step = service_account_step(&jwt(r#"{"iss":"one\ntwo\u001b[31m"}"#)).await;
    assert!(!step.detail.contains(char::is_control), "{:?}", step.detail);
}

#[test]
fn a_certificate_is_worth_a_word_a_month_before_its_end() {
    let check = |from: u64, to: u64, expected: Option<&str>| {
        let summary = Summary {
            subject: "CN=a".to_owned(),
            thumbprint: "00".to_owned(),
            not_before: at(from),
            not_after: at(to),
        };
        let warning = certificate_warning(&summary, at(NOW));
        assert_eq!(warning.is_some(), expected.is_some(), "{warning:?}");
        assert!(warning.unwrap_or_default().contains(expected.unwrap_or_default()));
    };
    let month = 30 * 86_400;
    check(0, NOW + month, None);
    check(0, NOW + month - 1, Some("renew"));
    check(0, NOW - 1, Some("renew"));
    check(NOW + 1, NOW + 2 * month, Some("not valid yet"));
}
