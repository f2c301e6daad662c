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

use super::{
    Problem,
    installation::{certs_log, problem, subject},
};
use crate::status::facts::{FoundWebhook, our_webhook, text};

pub(super) fn problems(webhook: &FoundWebhook, now: i64) -> Vec<Problem> {
    let client = our_webhook(&webhook.configuration).and_then(|ours| ours.get("clientConfig"));
    // Public authorities may have issued the certificate of a URL.
    let Some((client, service)) = client.and_then(|it| Some((it, it.get("service")?))) else {
        return Vec::new();
    };
    let namespace = text(service, "/namespace");
    let name = format!("{}.{namespace}.svc", text(service, "/name"));
    let next = format!(
        "{} shows why it is not written; with a certificate of your own, set certificates.provided.caBundle to the CA that issued it",
        certs_log(namespace)
    );
    let bundle = client.get("caBundle").cloned().unwrap_or_default();
    let bundle = serde_json::from_value::<ByteString>(bundle).unwrap_or_default();
    let bundle = certificates(&bundle.0);
    if bundle.is_empty() {
        let message =
            "it has no CA bundle that can be read, so API servers do not trust the webhook";
        return vec![problem(&subject(webhook), message, &next)];
    }
    let known = webhook.replicas.iter().filter_map(|(found, chain)| Some((found, chain.as_ref()?)));
    let refused = known.filter_map(|(found, chain)| {
        let reason = verify(&bundle, &certificates(chain.as_bytes()), &name, now).err()?;
        let message = format!(
            "its CA bundle does not verify the certificate of {}, so API servers do not trust it: {reason}",
            found.subject()
        );
        Some(problem(&subject(webhook), &message, &next))
    });
    refused.collect()
}

/// Those that can be read.
fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect()
}

/// As an API server does it, which calls the webhook by `name`. That a certificate has
/// expired is in the replica's metrics.
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
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|error| error.to_string())?;
    let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
    let seconds = Duration::from_secs(now.try_into().unwrap_or_default());
    let time = UnixTime::since_unix_epoch(seconds);
    match verifier.verify_server_cert(leaf, others, &name, &[], time) {
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
