//! TLS as API servers have it: the CAs and the host of the webhook configuration.

use std::sync::Arc;

use axum::http::Uri;
use base64::{Engine, prelude::BASE64_STANDARD};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::Value;
use tokio_rustls::TlsConnector;

/// How API servers call the webhook.
pub(super) struct Trust {
    /// The host that the certificate must be valid for.
    pub(super) host: ServerName<'static>,
    /// The address for reviews.
    pub(super) path: String,
    /// Trusts what they trust.
    pub(super) connector: TlsConnector,
}

impl Trust {
    /// By our webhook in the configuration.
    pub(super) fn of(ours: &Value) -> Result<Self, String> {
        let (host, path) = place(ours)?;
        let host = ServerName::try_from(host).map_err(|error| format!("clientConfig: {error}"))?;
        let bundle = text(ours, "/clientConfig/caBundle").filter(|text| !text.is_empty());
        let bundle = bundle.ok_or("clientConfig.caBundle is not set yet: see the log of certs")?;
        let bundle = BASE64_STANDARD
            .decode(bundle)
            .map_err(|error| format!("clientConfig.caBundle: {error}"))?;
        Ok(Self { host, path, connector: connector(&bundle)? })
    }
}

/// Host and path, by its URL or its Service.
fn place(webhook: &Value) -> Result<(String, String), String> {
    if let Some(url) = text(webhook, "/clientConfig/url") {
        let url: Uri = url.parse().map_err(|error| format!("clientConfig.url: {error}"))?;
        return Ok((url.host().unwrap_or_default().to_owned(), url.path().to_owned()));
    }
    let of = |key| text(webhook, &format!("/clientConfig/service/{key}"));
    let (name, namespace) = (of("name").unwrap_or_default(), of("namespace").unwrap_or_default());
    Ok((format!("{name}.{namespace}.svc"), of("path").unwrap_or("/").to_owned()))
}

fn text<'a>(webhook: &'a Value, path: &str) -> Option<&'a str> {
    webhook.pointer(path).and_then(Value::as_str)
}

/// A client that trusts these CAs, in PEM.
pub(super) fn connector(authorities: &[u8]) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    let authorities = CertificateDer::pem_slice_iter(authorities).filter_map(Result::ok);
    roots.add_parsable_certificates(authorities);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
