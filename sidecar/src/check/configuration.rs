//! What the environment says: settings, trusted roots, the forward proxy.

use contract::{Identity, Mistake, Settings, names::env};
use http::Uri;

use super::report::Found;
use crate::{explain::Code, proxy::proxy_for, trust::TlsConfig};

/// The settings, or every mistake in them.
pub(super) fn read(lookup: impl Fn(&str) -> Option<String>) -> Found<Settings> {
    match Settings::from_env(lookup) {
        Ok(settings) => {
            let seen = describe(&settings);
            let doubts = settings.doubts().into_iter();
            let doubts =
                doubts.map(|doubt| (Code::DoubtfulConfiguration, doubt)).collect::<Vec<_>>();
            Found::ok(settings, seen).doubting(doubts)
        }
        Err(mistakes) => {
            let noun = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
            let lines: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
            let detail = format!("{} {noun}", lines.len());
            Found::failed(Code::InvalidConfiguration, detail, lines.join("\n"))
        }
    }
}

fn describe(settings: &Settings) -> String {
    let Settings { identity, cloud, audience, ingestion_url, .. } = settings;
    let id = identity.client_id().map(|id| format!(" {id}")).unwrap_or_default();
    let tenant = identity.tenant_id().map(|id| format!(" of tenant {id}")).unwrap_or_default();
    let (kind, audience, host) = (identity.kind(), audience.resource(), ingestion_url.host());
    format!("{kind}{id}{tenant}; cloud {cloud}; audience {audience}; writes to {host}")
}

/// The roots of trust.
pub(super) fn trusted_roots(settings: &Settings) -> Found<TlsConfig> {
    let (file, dir) =
        (settings.trusted_roots_file.as_deref(), settings.trusted_roots_dir.as_deref());
    let place = match (file, dir) {
        (None, None) => "the system's certificate store".to_owned(),
        (file, dir) => {
            let places = [file, dir].into_iter().flatten().map(|path| path.display().to_string());
            places.collect::<Vec<_>>().join(" and ")
        }
    };
    match TlsConfig::load(file, dir) {
        Ok(tls) => {
            let seen = format!("{} from {place}", tls.root_count());
            Found::ok(tls, seen)
        }
        Err(trouble) => Found::failed(
            Code::TrustedRootsUnusable,
            trouble.to_string(),
            format!(
                "mount the roots as PEM and name the file in {} or the folder in {}, or unset them for the system's",
                env::SSL_CERT_FILE,
                env::SSL_CERT_DIR
            ),
        ),
    }
}

/// Which destinations are reached through the forward proxy.
pub(super) fn routes(settings: &Settings) -> Found<()> {
    let Some(proxy) = &settings.proxy else {
        return Found::ok((), "none: everything is reached directly");
    };
    let mut seen: Vec<String> = destinations(settings)
        .into_iter()
        .map(|(what, uri)| {
            let host = uri.host().unwrap_or_default();
            match proxy_for(Some(proxy), &uri) {
                Some(intercept) => format!(
                    "{what} {host} through {}:{}",
                    intercept.uri().host().unwrap_or_default(),
                    intercept.uri().port_u16().unwrap_or(80)
                ),
                None => format!("{what} {host} directly"),
            }
        })
        .collect();
    if matches!(settings.identity, Identity::UserAssigned { .. } | Identity::SystemAssigned) {
        let service = match &settings.identity_endpoint {
            Some(_) => "the platform's identity endpoint",
            None => "the instance metadata service",
        };
        seen.push(format!("{service} directly"));
    }
    Found::ok((), seen.join("; "))
}

fn destinations(settings: &Settings) -> Vec<(&'static str, Uri)> {
    let uri = |text: &str| text.parse::<Uri>().unwrap_or_default();
    let mut destinations = vec![("ingestion", uri(settings.ingestion_url.url().as_str()))];
    let asks_authority = settings.identity.tenant_id().is_some();
    if let Some(authority) = settings.authority_host.as_ref().filter(|_| asks_authority) {
        destinations.push(("authority", uri(authority.as_str())));
    }
    destinations
}
