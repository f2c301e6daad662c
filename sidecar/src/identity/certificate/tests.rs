use std::{fs, path::Path, time::Instant};

use proptest::prelude::*;

use super::*;

const PASSWORD: &str = "s3cret-pässwörd";

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/identity/testdata");
    fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn load(name: &str, password: &str) -> Result<Certificate, CertificateError> {
    Certificate::from_bytes(&fixture(name), password)
}

fn joined(names: &[&str]) -> Vec<u8> {
    names.iter().flat_map(|name| fixture(name)).collect()
}

/// The thumbprint of the one certificate that most fixtures hold.
fn expected_thumbprint() -> String {
    let pem = fixture("leaf.crt.pem");
    let contents = pem::read(&pem).unwrap();
    hexadecimal(
        digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &contents.certificates[0]).as_ref(),
    )
}

#[test]
fn every_form_of_pfx_opens() {
    for (name, password, chain) in [
        ("aes256.pfx", "", 1),
        ("aes128-sha1.pfx", "", 1),
        ("3des.pfx", "", 1),
        ("rc2-40.pfx", "", 1),
        ("rc2-40.base64", "", 1),
        ("rc2-128.pfx", "", 1),
        ("sha384.pfx", "", 1),
        ("sha512.pfx", "", 1),
        ("nomac.pfx", "", 1),
        ("plain.pfx", "", 1),
        ("plain-nomac.pfx", "", 1),
        ("absent-3des.pfx", "", 1),
        ("absent-rc2-40.pfx", "", 1),
        ("absent-rc2-40-nomac.pfx", "", 1),
        ("chain.pfx", "", 2),
        ("chain-rc2-40.pfx", "", 2),
        ("several.pfx", "", 2),
        ("password.pfx", PASSWORD, 1),
        ("password-rc2-40.pfx", PASSWORD, 1),
        ("password-nomac.pfx", PASSWORD, 1),
    ] {
        let certificate = load(name, password).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(certificate.summary.thumbprint, expected_thumbprint(), "{name}");
        assert_eq!(certificate.summary.subject, "O=Example, CN=prometheus", "{name}");
        assert_eq!(certificate.chain.len(), chain, "{name}");
    }
}

#[test]
fn every_form_of_pem_opens() {
    let check = |content: &[u8], chain: usize, what: &str| {
        let certificate =
            Certificate::from_bytes(content, "").unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(certificate.summary.thumbprint, expected_thumbprint(), "{what}");
        assert_eq!(certificate.chain.len(), chain, "{what}");
    };
    check(&joined(&["leaf.key.pem", "leaf.crt.pem"]), 1, "key first");
    check(&joined(&["leaf.crt.pem", "leaf.key.pem"]), 1, "key last");
    check(&joined(&["leaf.crt.pem", "leaf.pkcs1.pem"]), 1, "PKCS #1");
    check(&joined(&["ca.crt.pem", "leaf.key.pem", "leaf.crt.pem"]), 2, "chain upside down");
    check(&joined(&["other.key.pem", "leaf.crt.pem", "leaf.key.pem"]), 1, "a foreign key first");
    let bags =
        [b"Bag Attributes\n    friendlyName: x\n".to_vec(), fixture("leaf.key.pem")].concat();
    check(&[bags, fixture("leaf.crt.pem")].concat(), 1, "text before");
    let windows = String::from_utf8(joined(&["leaf.key.pem", "leaf.crt.pem"])).unwrap();
    check(windows.replace('\n', "\r\n").as_bytes(), 1, "Windows' line ends");
}

#[test]
fn keys_from_2048_to_4096_bits() {
    for (name, bytes) in [("aes256.pfx", 256), ("rsa3072.pem", 384), ("rsa4096.pem", 512)] {
        assert_eq!(load(name, "").unwrap().key.public_modulus_len(), bytes, "{name}");
    }
}

#[test]
fn base64_of_one_line_or_many_with_or_without_padding() {
    use base64::prelude::BASE64_STANDARD;
    let whole = BASE64_STANDARD.encode(fixture("aes256.pfx"));
    for text in [
        whole.clone(),
        format!("{whole}\n"),
        whole.trim_end_matches('=').to_owned(),
        format!("\u{feff}{whole}\r\n"),
    ] {
        assert!(Certificate::from_bytes(text.as_bytes(), "").is_ok());
    }
}

#[test]
fn an_expired_certificate_is_loaded_and_says_so() {
    let summary = load("expired.pem", "").unwrap().summary;
    assert!(summary.not_after <= summary.not_before);
    assert!(load("aes256.pfx", "").unwrap().summary.not_after > time_of(4_000_000_000));
}

#[test]
fn each_error_has_its_own_words() {
    let check = |content: &[u8], password: &str, expected: CertificateError| {
        assert_eq!(Certificate::from_bytes(content, password).unwrap_err(), expected);
    };
    let wrong = |has_password| CertificateError::WrongPassword { has_password };
    check(b"", "", CertificateError::Unrecognised);
    check(b"not a certificate", "", CertificateError::Unrecognised);
    check(b"SGVsbG8gd29ybGQ=", "", CertificateError::Unrecognised);
    check(&fixture("password.pfx"), "", wrong(false));
    check(&fixture("password-rc2-40.pfx"), "", wrong(false));
    check(&fixture("password-nomac.pfx"), "", wrong(false));
    check(&fixture("password.pfx"), "other", wrong(true));
    check(&fixture("password-rc2-40.pfx"), "other", wrong(true));
    check(&fixture("nomac.pfx"), "other", wrong(true));
    check(&fixture("mismatch.pfx"), "", CertificateError::KeyMismatch);
    check(&fixture("no-key.pfx"), "", CertificateError::NoPrivateKey);
    check(&fixture("no-certificate.pfx"), "", CertificateError::NoCertificate);
    check(&fixture("leaf.crt.pem"), "", CertificateError::NoPrivateKey);
    check(&fixture("leaf.key.pem"), "", CertificateError::NoCertificate);
    check(&joined(&["leaf.crt.pem", "other.key.pem"]), "", CertificateError::KeyMismatch);
    check(&joined(&["leaf.crt.pem", "leaf.locked.pem"]), "", CertificateError::EncryptedKey);
    check(&fixture("rsa1024.pem"), "", CertificateError::UnusableKey);
    let curve = CertificateError::UnsupportedKey("elliptic curve (EC)");
    check(&fixture("ec.pem"), "", curve.clone());
    check(&fixture("ec.sec1.pem"), "", curve);
    let ber = "BER with indefinite lengths (convert it with OpenSSL)".to_owned();
    check(b"\x30\x80\x02\x01\x03\x30\x80", "", CertificateError::Unsupported(ber));
    check(&fixture("aes256.pfx")[..600], "", CertificateError::Damaged("the PFX"));
    check(&vec![b'A'; MAX_FILE_BYTES + 1], "", CertificateError::Unrecognised);
}

#[test]
fn debug_prints_no_key() {
    let printed = format!("{:?}", load("aes256.pfx", "").unwrap());
    assert!(printed.contains("CN=prometheus"));
    assert!(printed.len() < 400, "{printed}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_input_panics(content in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = Certificate::from_bytes(&content, "");
    }

    #[test]
    fn damage_panics_nowhere_ends_soon_and_passes_no_integrity_check(
        (name, checked) in proptest::sample::select(vec![
            ("aes256.pfx", true),
            ("rc2-40.pfx", true),
            ("plain-nomac.pfx", false),
            ("absent-rc2-40-nomac.pfx", false),
            ("expired.pem", false),
        ]),
        at in any::<proptest::sample::Index>(),
        value in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let mut content = fixture(name);
        let at = at.index(content.len());
        if cut { content.truncate(at) } else { content[at] = value }
        let begun = Instant::now();
        let loaded = Certificate::from_bytes(&content, "");
        prop_assert!(begun.elapsed().as_secs() < 10);
        if let (true, Ok(certificate)) = (checked, loaded) {
            prop_assert_eq!(certificate.summary.thumbprint, expected_thumbprint());
        }
    }
}
