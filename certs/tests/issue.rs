//! `prom-remotewrite-certs issue`, as people run it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use rustls::{
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

const NAME: &str = "prom-remotewrite-webhook.monitoring.svc";

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_prom-remotewrite-certs")).args(arguments).output().unwrap()
}

fn issue(directory: &Path, more: &[&str]) -> Output {
    let directory = directory.to_str().unwrap();
    run(&[&["issue", "--dir", directory, "--dns-name", NAME], more].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn writes_a_pair_that_belongs_together() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("made/on/the/way");
    let output = issue(&directory, &["--ip", "127.0.0.1", "--validity", "90d"]);
    assert!(output.status.success(), "{}", text(&output.stderr));

    let names = ["ca.crt", "tls.key", "tls.crt"];
    let stdout = text(&output.stdout);
    let said: Vec<String> =
        names.map(|name| format!("wrote {}", directory.join(name).display())).into();
    assert_eq!(stdout.lines().take(3).collect::<Vec<_>>(), said);
    assert!(stdout.lines().nth(3).unwrap().starts_with("valid until 20"), "{stdout}");
    let mode = |name| fs::metadata(directory.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(names.map(mode), [0o644, 0o600, 0o644]);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 3, "no temporary file is left");

    let chain: Vec<_> = CertificateDer::pem_file_iter(directory.join("tls.crt"))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("tls.key")).unwrap();
    assert!(matches!(key, PrivateKeyDer::Pkcs8(_)));
    CertifiedKey::from_der(chain.clone(), key, &default_provider()).unwrap().keys_match().unwrap();
    let ca = CertificateDer::from_pem_file(directory.join("ca.crt")).unwrap();
    let (_, ca) = X509Certificate::from_der(&ca).unwrap();
    let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
    leaf.verify_signature(Some(ca.public_key())).unwrap();
    let validity = leaf.validity();
    let days = (validity.not_after.timestamp() - validity.not_before.timestamp()) / 86_400;
    // Valid from one day before it was issued.
    assert_eq!(days, 91);
}

#[test]
fn keeps_what_is_there_unless_forced() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    fs::write(directory.join("tls.key"), "mine").unwrap();
    let output = issue(directory, &[]);
    assert_eq!(output.status.code(), Some(1));
    let key = directory.join("tls.key");
    let said = format!("error: will not replace {}: give --force to do so\n", key.display());
    assert_eq!(text(&output.stderr), said);
    assert_eq!(fs::read_dir(directory).unwrap().count(), 1, "nothing is written");
    assert_eq!(fs::read_to_string(&key).unwrap(), "mine");

    assert!(issue(directory, &["--force"]).status.success());
    assert!(fs::read_to_string(&key).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(issue(directory, &[]).status.code(), Some(1));
}

#[test]
fn errors_name_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let output = run(&[&["issue"], arguments].concat());
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(expected), "{stderr:?} has no {expected:?}");
    };
    let below_file = file.join("x");
    let below_file = below_file.to_str().unwrap();
    let unwritable = format!("cannot create the directory {below_file}: ");
    check(&["--dir", below_file, "--dns-name", NAME], 1, &unwritable);
    check(&["--dir", "/nowhere", "--dns-name", "a b"], 2, "expected a DNS name");
    check(&["--dir", "/nowhere"], 2, "--dns-name");
    check(
        &["--dir", "/nowhere", "--dns-name", NAME, "--validity", "1y"],
        2,
        "expected a duration from 1m to 3660d",
    );
}
