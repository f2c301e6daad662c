//! Whether API servers trust the webhook: the CA bundle that they have, against the
//! certificates that its replicas serve with.

use std::{sync::Arc, time::Duration};

use k8s_openapi::ByteString;
use rustls::{
    CertificateError, Error, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use serde_json::Value;

use super::{
    Problem,
    installation::{problem, subject},
};
use crate::status::facts::{FoundWebhook, our_webhook, text};

/// Who writes the bundle.
const WRITER: &str = "see the log of the Deployment …-certs, which writes it; with a certificate of your own, set certificates.provided.caBundle to the CA that issued it";

pub(super) fn problems(webhook: &FoundWebhook, now: i64) -> Vec<Problem> {
    let Some(client) =
        our_webhook(&webhook.configuration).and_then(|ours| ours.get("clientConfig"))
    else {
        return Vec::new();
    };
    let bundle = client.get("caBundle").filter(|bundle| *bundle != "");
    let Some(bundle) = bundle else {
        // Without one they trust public authorities, which may have issued that of a URL.
        let is_elsewhere = client.get("url").is_some();
        let message = "it has no CA bundle, so API servers do not trust the webhook";
        let missing = problem(&subject(webhook), message, WRITER);
        return Some(missing).filter(|_| !is_elsewhere).into_iter().collect();
    };
    let bundle = authorities(bundle);
    if let Some(message) = unusable(&bundle, now) {
        return vec![problem(&subject(webhook), message, WRITER)];
    }
    let name =
        format!("{}.{}.svc", text(client, "/service/name"), text(client, "/service/namespace"));
    let told = webhook.replicas.iter().filter_map(|(found, chain)| Some((found, chain.as_ref()?)));
    let refused = told.filter_map(|(found, chain)| {
        let reason = verify(&bundle, &certificates(chain.as_bytes()), &name, now).err()?;
        let message = format!(
            "its CA bundle does not verify the certificate of {}, so API servers do not trust it: {reason}",
            found.subject()
        );
        Some(problem(&subject(webhook), &message, WRITER))
    });
    refused.collect()
}

fn authorities(bundle: &Value) -> Vec<CertificateDer<'static>> {
    let pem = serde_json::from_value::<ByteString>(bundle.clone());
    pem.map(|ByteString(pem)| certificates(&pem)).unwrap_or_default()
}

/// Those that can be read.
fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect()
}

/// Why no certificate at all is verified by this bundle.
fn unusable(bundle: &[CertificateDer<'_>], now: i64) -> Option<&'static str> {
    let ends = bundle.iter().filter_map(|der| {
        let (_, authority) = x509_parser::parse_x509_certificate(der).ok()?;
        Some(authority.validity().not_after.timestamp())
    });
    match ends.max() {
        None => Some("its CA bundle has no certificate, so API servers do not trust the webhook"),
        Some(end) if end <= now => {
            Some("its CA bundle has expired, so API servers do not trust the webhook")
        }
        Some(_) => None,
    }
}

/// As an API server does it, which calls the webhook by `name`.
fn verify(
    bundle: &[CertificateDer<'static>],
    chain: &[CertificateDer<'_>],
    name: &str,
    now: i64,
) -> Result<(), String> {
    let (leaf, others) = chain.split_first().ok_or("it is not readable")?;
    // A certificate may be its own authority.
    if bundle.contains(leaf) {
        return Ok(());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(bundle.iter().cloned());
    let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
    let seconds = Duration::from_secs(now.try_into().unwrap_or_default());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|error| error.to_string())?;
    let time = UnixTime::since_unix_epoch(seconds);
    match verifier.verify_server_cert(leaf, others, &name, &[], time) {
        // The replica's metrics tell that it has, and when it will.
        Err(Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ))
        | Ok(_) => Ok(()),
        // Of the same name, in the second case.
        Err(Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => Err("another CA issued it".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
