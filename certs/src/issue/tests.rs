use std::{
    io::{Read, Write},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    time_provider::TimeProvider,
};
use x509_parser::{extensions::ParsedExtension, pem::parse_x509_pem, prelude::X509Certificate};

use super::*;

const NAME: &str = "prom-remotewrite-webhook.monitoring.svc";

fn request(lifetime: &str) -> Request {
    Request {
        dns_names: vec![NAME.to_owned()],
        addresses: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
        lifetime: lifetime.parse().unwrap(),
    }
}

fn at(unix_seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(unix_seconds)
}

/// 2026-11-23 00:00:00 UTC.
const NOW: u64 = 1_795_392_000;

#[derive(Debug)]
struct Clock(SystemTime);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap()))
    }
}

/// One TLS handshake in memory, with one byte sent by the client.
fn handshake(
    trusted: &Pair,
    shown: &Pair,
    name: &str,
    now: SystemTime,
) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.pem().ca.as_bytes()).unwrap()).unwrap();
    let client =
        ClientConfig::builder_with_details(Arc::new(default_provider()), Arc::new(Clock(now)))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
    let chain = vec![CertificateDer::from_pem_slice(shown.pem().certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(shown.pem().key.as_bytes()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name)?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    client.writer().write_all(b"!").unwrap();
    while client.is_handshaking() || server.is_handshaking() || client.wants_write() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut bytes = Vec::new();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    let mut received = [0];
    server.reader().read_exact(&mut received).unwrap();
    assert_eq!(&received, b"!");
    Ok(())
}

#[test]
fn clients_that_trust_the_ca_accept_the_certificate_and_no_others() {
    let issued = issue(&request("90d"), at(NOW)).unwrap();
    let other = issue(&request("90d"), at(NOW)).unwrap();
    let accepted = |name, now| handshake(&issued, &issued, name, at(now));
    for name in [NAME, "127.0.0.1", "::1"] {
        accepted(name, NOW).unwrap();
    }
    accepted(NAME, NOW - 86_400).expect("a clock one day behind");
    accepted(NAME, NOW + 90 * 86_400).expect("the last second");

    accepted(NAME, NOW - 86_401).unwrap_err();
    accepted(NAME, NOW + 90 * 86_400 + 1).unwrap_err();
    accepted("prom-remotewrite-webhook.other.svc", NOW).unwrap_err();
    accepted("127.0.0.2", NOW).unwrap_err();
    handshake(&other, &issued, NAME, at(NOW)).expect_err("issued by another CA");
}

#[test]
fn certificates_say_what_they_are_for() {
    let issued = issue(&request("8760h"), at(NOW)).unwrap();
    let (ca, leaf) = (parse(&issued.pem().ca), parse(&issued.pem().certificate));
    let (ca, leaf) = (ca.parse_x509().unwrap(), leaf.parse_x509().unwrap());

    let constraints = ca.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    assert!(ca.key_usage().unwrap().unwrap().value.key_cert_sign());
    assert!(!leaf.is_ca());
    assert!(!leaf.key_usage().unwrap().unwrap().value.key_cert_sign());
    let usage = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && !usage.client_auth && !usage.any);

    assert_eq!(ca.subject().to_string(), format!("CN={CA_NAME_PREFIX} {NOW}"));
    assert_eq!(leaf.issuer(), ca.subject());
    assert_eq!(key_ids(&leaf), (Some(key_ids(&ca).0.unwrap()), key_ids(&leaf).1));
    assert!(key_ids(&leaf).1.is_some() && key_ids(&leaf).0 != key_ids(&leaf).1);
    leaf.verify_signature(Some(ca.public_key())).unwrap();
    for certificate in [&ca, &leaf] {
        assert_eq!(certificate.validity().not_before.timestamp(), NOW.cast_signed() - 86_400);
        assert_eq!(certificate.validity().not_after.timestamp(), NOW.cast_signed() + 365 * 86_400);
    }
    assert_eq!(issued.not_after(), at(NOW + 365 * 86_400));
}

fn parse(pem: &str) -> x509_parser::pem::Pem {
    let (rest, pem) = parse_x509_pem(pem.as_bytes()).unwrap();
    assert!(rest.is_empty(), "one certificate a file");
    pem
}

/// Authority key identifier (the subject's own for a CA) and subject key identifier.
fn key_ids(certificate: &X509Certificate<'_>) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let mut authority = None;
    let mut subject = None;
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                authority = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            ParsedExtension::SubjectKeyIdentifier(id) => subject = Some(id.0.to_vec()),
            _ => {}
        }
    }
    (authority.or_else(|| subject.clone()), subject)
}

#[test]
fn names_that_no_client_can_ask_for_are_refused() {
    for bad in ["", "a b", "a..b", "-", "a/b", "ä", "*"] {
        let request = Request { dns_names: vec![bad.to_owned()], ..request("1d") };
        let error = issue(&request, at(NOW)).unwrap_err();
        assert!(matches!(error, Error::BadName(name) if name == bad), "{bad:?}");
    }
    let nobody = Request { dns_names: Vec::new(), addresses: Vec::new(), ..request("1d") };
    assert!(matches!(issue(&nobody, at(NOW)), Err(Error::NoName)));
    // 9999-12-31.
    assert!(matches!(issue(&request("2d"), at(253_402_214_400)), Err(Error::TooLate)));
}
