use std::fs;

use super::*;

fn root() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem()
}

#[test]
fn a_bad_file_beside_a_good_one_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("good.pem"), root()).unwrap();
    let bad = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    fs::write(dir.path().join("bad.pem"), bad).unwrap();
    let trust = Trust::load(None, Some(dir.path())).unwrap();
    assert_eq!(trust.roots(), 1);
    assert!(trust.errors()[0].contains("PEM"), "{:?}", trust.errors());
    assert!(trust.place().starts_with("SSL_CERT_DIR=/"), "{}", trust.place());

    let missing = dir.path().join("missing.pem");
    let trust = Trust::load(Some(&missing), Some(dir.path())).unwrap();
    assert!(trust.errors().iter().any(|error| error.contains("missing.pem")));
    fs::remove_file(dir.path().join("good.pem")).unwrap();
    assert!(Trust::load(None, Some(dir.path())).unwrap_err().to_string().contains("PEM"));
}

#[tokio::test]
async fn changed_roots_are_taken_and_unusable_ones_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    fs::write(&file, root()).unwrap();
    let trust = Trust::load(Some(&file), None).unwrap();
    let seen = trust.in_use(|in_use| in_use.fingerprint);
    assert!(trust.changed(seen).await.is_none());

    fs::write(&file, root() + &root()).unwrap();
    let found = trust.changed(seen).await.unwrap();
    let (before, generation) = (trust.client(), trust.generation());
    trust.replace(found).unwrap();
    assert_eq!(trust.roots(), 2);
    assert!(!Arc::ptr_eq(&before, &trust.client()) && generation != trust.generation());

    for unusable in ["", "no certificate"] {
        let (seen, generation) = (trust.in_use(|in_use| in_use.fingerprint), trust.generation());
        fs::write(&file, unusable).unwrap();
        let found = trust.changed(seen).await.unwrap();
        assert!(trust.replace(found).unwrap_err().to_string().contains("ca.pem"));
        assert_eq!((trust.roots(), trust.generation()), (2, generation));
    }
}

#[test]
fn unusable_pem_is_named_without_its_text() {
    let pem = root();
    let unusable = [
        (String::new(), "find trusted roots in FILE: there is no certificate in it"),
        (
            pem.replace('\n', " "),
            "find trusted roots in FILE: a BEGIN line without its END line: the PEM is cut off or has lost its line breaks",
        ),
        (
            pem.replace("-----\n", "-----\\n"),
            "find trusted roots in FILE: a malformed BEGIN line: the PEM has lost its line breaks",
        ),
    ];
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    for (text, expected) in unusable {
        let error = Trust::in_pem(text.as_bytes(), "FILE".to_owned()).unwrap_err();
        assert_eq!(error.to_string(), expected);
        fs::write(&file, &text).unwrap();
        let error = Trust::load(Some(&file), None).unwrap_err().to_string();
        let (_, reason) = expected.split_once("FILE: ").unwrap();
        assert!(error.ends_with(reason) && error.contains("ca.pem"), "{error}");
    }
}
