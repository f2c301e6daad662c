use super::*;

/// An application with its certificate's file, and its authority.
struct Setup {
    entra: StandIn,
    folder: tempfile::TempDir,
    issuer: Issuer,
}

fn issuer(entra: &StandIn, folder: &tempfile::TempDir, dialer: &Dialer) -> Issuer {
    let file = folder.path().join("certificate");
    let variables = [
        (env::IDENTITY_TYPE, "aadApplication"),
        (env::AZURE_CLIENT_ID, CLIENT),
        (env::AZURE_TENANT_ID, TENANT),
        (env::AZURE_CLIENT_CERTIFICATE_PATH, file.to_str().unwrap()),
        (env::AZURE_AUTHORITY_HOST, &entra.address),
    ];
    Issuer::new(&settings(&variables), dialer, now)
}

impl Setup {
    async fn new() -> Self {
        let (entra, dialer) = StandIn::tls().await;
        let folder = tempfile::tempdir().unwrap();
        let issuer = issuer(&entra, &folder, &dialer);
        Self { entra, folder, issuer }
    }

    fn put(&self, content: &[u8]) {
        fs::write(self.folder.path().join("certificate"), content).unwrap();
    }

    /// The thumbprint in the header of each assertion since the last call.
    fn signed_by(&self) -> Vec<String> {
        use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
        let thumbprint = |assertion: &str| {
            let header = assertion.split('.').next().unwrap();
            let json = BASE64_URL_SAFE_NO_PAD.decode(header).unwrap();
            let header: serde_json::Value = serde_json::from_slice(&json).unwrap();
            let sha1 = BASE64_URL_SAFE_NO_PAD.decode(header["x5t"].as_str().unwrap()).unwrap();
            sha1.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().concat()
        };
        self.entra.seen().iter().map(|seen| thumbprint(seen.field("client_assertion"))).collect()
    }

    fn thumbprint(&self) -> String {
        self.issuer.certificate().unwrap().thumbprint.clone()
    }
}

const OLD: &[u8] = include_bytes!("../../testdata/rc2-40.pfx");
const NEW: &[u8] = include_bytes!("../../testdata/rsa3072.pem");
const EXPIRED: &[u8] = include_bytes!("../../testdata/expired.pem");

#[tokio::test]
async fn a_missing_certificate_is_a_state_and_not_the_end() {
    let mut setup = Setup::new().await;
    let error = setup.issuer.fetch().await.unwrap_err();
    assert_eq!(error.kind, FetchErrorKind::Certificate);
    assert!(error.to_string().contains("No such file"), "{error}");
    assert_eq!(setup.issuer.certificate(), None);

    setup.put(OLD);
    assert_eq!(setup.issuer.reload().await, Reload::Changed);
    assert_eq!(setup.issuer.reload().await, Reload::Unchanged);
    assert!(setup.issuer.certificate().unwrap().not_after > now());
    setup.entra.will(200, granted("first"));
    assert_eq!(bearer(&setup.issuer.fetch().await.unwrap()), "first");
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_is_logged_once() {
    let mut setup = Setup::new().await;
    setup.put(OLD);
    assert_eq!(setup.issuer.reload().await, Reload::Unchanged, "the first is no change");
    setup.put(b"garbage");
    assert!(
        matches!(setup.issuer.reload().await, Reload::Failed(reason) if reason.contains("PEM"))
    );
    assert_eq!(setup.issuer.reload().await, Reload::Unchanged);
    setup.entra.will(200, granted("still"));
    assert_eq!(bearer(&setup.issuer.fetch().await.unwrap()), "still");

    setup.put(b"other garbage");
    setup.entra.will(200, granted("still"));
    setup.issuer.fetch().await.unwrap();
    assert!(matches!(setup.issuer.reload().await, Reload::Failed(_)), "an attempt saw it first");
    assert_eq!(setup.issuer.reload().await, Reload::Unchanged);

    setup.put(OLD);
    assert_eq!(setup.issuer.reload().await, Reload::Unchanged, "the same certificate again");
}

#[tokio::test]
async fn a_new_certificate_that_entra_does_not_know_yet_gives_way_to_the_old() {
    let mut setup = Setup::new().await;
    setup.put(OLD);
    setup.entra.will(200, granted("by old"));
    setup.issuer.fetch().await.unwrap();
    let old = setup.thumbprint();
    setup.put(NEW);
    assert_eq!(setup.issuer.reload().await, Reload::Changed);
    assert_eq!(setup.thumbprint(), old, "it is in use");
    let new = setup.issuer.next_certificate().unwrap().thumbprint.clone();
    setup.signed_by();

    setup.entra.will(401, refused(700_027));
    let error = setup.issuer.try_next_certificate().await.unwrap().unwrap_err();
    assert!(error.to_string().contains(&new), "{error}");
    assert!(setup.issuer.try_next_certificate().await.is_none(), "it is not time yet");
    setup.entra.will(200, granted("by old"));
    assert_eq!(bearer(&setup.issuer.fetch().await.unwrap()), "by old");
    assert_eq!(setup.signed_by(), [new.clone(), old.clone()]);

    // The old one is registered no more: the new one is tried before its time.
    setup.entra.will(401, refused(700_027));
    setup.entra.will(200, granted("by new"));
    assert_eq!(bearer(&setup.issuer.fetch().await.unwrap()), "by new");
    assert_eq!(setup.signed_by(), [old, new.clone()]);
    assert_eq!((setup.thumbprint(), setup.issuer.next_certificate()), (new.clone(), None));
    setup.entra.will(401, refused(700_027));
    let error = setup.issuer.fetch().await.unwrap_err();
    assert_eq!(setup.signed_by(), std::slice::from_ref(&new), "the old one is forgotten");
    assert!(error.to_string().contains(&new), "{error}");
}

/// Lets this much time pass while nothing is under way.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_new_certificate_is_tried_until_entra_knows_it() {
    let mut setup = Setup::new().await;
    setup.put(OLD);
    setup.entra.will(200, granted("by old"));
    setup.issuer.fetch().await.unwrap();
    setup.put(NEW);
    setup.issuer.reload().await;
    for pause in [10, 20] {
        setup.entra.will(401, refused(700_027));
        setup.issuer.try_next_certificate().await.unwrap().unwrap_err();
        // Between its half and its half more.
        pass(pause / 2 - 1).await;
        assert!(setup.issuer.try_next_certificate().await.is_none(), "{pause}");
        pass(pause + 1).await;
    }
    setup.entra.will(200, granted("by new"));
    let token = setup.issuer.try_next_certificate().await.unwrap().unwrap();
    assert_eq!(bearer(&token), "by new");
    assert_eq!(setup.issuer.certificate().unwrap().subject, "CN=rsa3072");
}

#[tokio::test]
async fn both_certificates_refused_is_the_new_ones_refusal() {
    let mut setup = Setup::new().await;
    setup.put(OLD);
    setup.entra.will(200, granted("by old"));
    setup.issuer.fetch().await.unwrap();
    setup.put(EXPIRED);
    setup.entra.will(401, refused(700_027));
    setup.entra.will(401, refused(1_000_502));
    let error = setup.issuer.fetch().await.unwrap_err();
    assert_eq!(error.code, Some(1_000_502));
    assert!(error.to_string().contains("it has expired"), "{error}");
    assert!(error.to_string().contains("the older certificate is refused, too"), "{error}");
    assert!(setup.issuer.next_certificate().unwrap().not_after < now());
}

#[tokio::test]
async fn trouble_of_entras_own_tries_no_other_certificate() {
    let mut setup = Setup::new().await;
    setup.put(OLD);
    setup.entra.will(200, granted("by old"));
    setup.issuer.fetch().await.unwrap();
    setup.put(NEW);
    setup.signed_by();
    for (status, body, kind) in [
        (503, String::new(), FetchErrorKind::EntraRefused),
        (429, String::new(), FetchErrorKind::Throttled),
        (400, refused(90_033), FetchErrorKind::EntraRefused),
    ] {
        setup.entra.will(status, body);
        let error = setup.issuer.fetch().await.unwrap_err();
        assert_eq!((error.kind, error.transient), (kind, true), "{error}");
        assert_eq!(setup.signed_by().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_untrusted_authority_is_explained() {
    let setup = Setup::new().await;
    setup.put(OLD);
    let mut issuer = issuer(&setup.entra, &setup.folder, &trusting(Vec::new()));
    let error = issuer.fetch().await.unwrap_err();
    assert_eq!(error.kind, FetchErrorKind::EntraUnreachable);
    assert!(error.to_string().contains(env::SSL_CERT_FILE), "{error}");
    assert!(setup.entra.seen().is_empty());
}

#[tokio::test]
async fn errors_of_entra_show_no_assertion() {
    let mut setup = Setup::new().await;
    setup.put(OLD);
    setup.entra.will(200, granted("x"));
    setup.issuer.fetch().await.unwrap();
    let assertion = setup.entra.seen()[0].field("client_assertion").to_owned();
    for body in [
        assertion.clone(),
        format!(
            r#"{{"error":"{assertion}","error_description":"AADSTS50027: bad '{assertion}'"}}"#
        ),
    ] {
        setup.entra.will(400, body);
        let error = setup.issuer.fetch().await.unwrap_err();
        let tail = &assertion[assertion.len() - 20..];
        assert!(!format!("{error} {error:?}").contains(tail), "{error}");
    }
}
