use std::fs;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use x509_parser::der_parser::parse_der;

use super::*;
use crate::tests::authority::{Authority, Mounted, NOW, now};

#[test]
fn a_bad_pair_leaves_the_old_one() {
    let authority = Authority::new();
    let (chain, key) = authority.issue("one", 90);
    let (other_chain, other_key) = authority.issue("two", 30);
    let (ended, ended_key) = authority.issue("ended", -1);
    let key = key.serialize_pem();
    let mounted = Mounted::new(&chain, &key);
    let tls = mounted.load(None);
    let certificates = &tls.certificates;
    assert_eq!(certificates.expiry().unwrap(), i64::try_from(NOW).unwrap() + 90 * 86_400);
    let in_use = || certificates.in_use().unwrap().cert.clone();
    let first = in_use();
    assert!(matches!(certificates.reload(now()), Reload::Unchanged));
    let refused = |chain: &str, key: &str, expected: &str| {
        mounted.put(chain, key);
        let Reload::Refused(error) = certificates.reload(now()) else {
            panic!("taken: {expected}")
        };
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(in_use(), first, "{expected}");
        assert!(matches!(certificates.reload(now()), Reload::Unchanged), "reported once");
    };
    refused(&chain, &other_key.serialize_pem(), "use the private key with its certificate");
    refused("", &key, "read the certificates");
    refused(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        &key,
        "read the leaf",
    );
    refused("-----BEGIN CERTIFICATE-----\n", &key, "read the certificates");
    refused(&chain, "no key", "read the private key");
    refused(&ended, &ended_key.serialize_pem(), "use a certificate that expired");
    fs::remove_file(mounted.path().join("..data")).unwrap();
    assert!(matches!(certificates.reload(now()), Reload::Refused(TlsError::Read { .. })));
    assert_eq!(in_use(), first);
    mounted.put(&other_chain, &other_key.serialize_pem());
    assert!(matches!(certificates.reload(now()), Reload::Taken));
    assert_ne!(in_use(), first);
    mounted.put(&chain, &key);
    assert!(matches!(certificates.reload(now()), Reload::Taken));
    assert_eq!(in_use(), first);
}

#[test]
fn errors_and_debug_output_show_no_key() {
    let authority = Authority::new();
    let (chain, key) = authority.issue("one", 90);
    let mounted = Mounted::new(&chain, &key.serialize_pem());
    let tls = mounted.load(None);
    let secret = key.serialize_pem();
    let line = secret.lines().nth(1).unwrap();
    assert!(!format!("{tls:?}").contains(line));
    mounted.put("x", &secret);
    let reload = tls.reload(now());
    assert!(!format!("{reload:?}").contains(line), "{reload:?}");
}

/// Keys as OpenSSL, cert-manager and people make them.
#[test]
fn every_form_of_key_is_read() {
    let authority = Authority::new();
    for (algorithm, older_form) in
        [(&PKCS_RSA_SHA256, "RSA PRIVATE KEY"), (&PKCS_ECDSA_P256_SHA256, "EC PRIVATE KEY")]
    {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let chain = authority.certify("leaf", 90, &key);
        Mounted::new(&chain, &key.serialize_pem()).load(None);
        Mounted::new(&chain, &inner(&key, older_form)).load(None);
    }
}

/// PKCS#8 wraps the older form in its third element.
fn inner(key: &KeyPair, label: &str) -> String {
    let der = key.serialize_der();
    let (_, info) = parse_der(&der).unwrap();
    let older = info.as_sequence().unwrap()[2].as_slice().unwrap();
    let text = BASE64_STANDARD.encode(older);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

#[test]
fn a_chain_is_served_whole() {
    let authority = Authority::new();
    let (leaf, key) = authority.issue("leaf", 90);
    let mounted = Mounted::new(&format!("{leaf}{}", authority.0.pem()), &key.serialize_pem());
    let tls = mounted.load(None);
    assert_eq!(tls.certificates.in_use().unwrap().cert.len(), 2);
}
