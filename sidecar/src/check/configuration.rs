//! What the environment says: settings, trusted roots, the forward proxy.

use contract::{Destinations, Identity, Settings, names::env};
use url::Url;

use super::report::Found;
use crate::{
    configuration::configuration,
    dial::{Dialer, Origin},
    explain::Code,
    trust::Trust,
};

/// The settings of all destinations, or every error in them.
pub(super) fn read(variables: impl IntoIterator<Item = (String, String)>) -> Found<Destinations> {
    match configuration(variables) {
        Ok(destinations) => {
            let several = destinations.len() > 1;
            let seen = destinations.iter().map(|one| {
                let path = one.write_path();
                let whose = if several { format!("{path}: ") } else { String::new() };
                whose + &describe(&one.settings)
            });
            let seen: Vec<String> = seen.collect();
            let of_each = destinations.iter().flat_map(|one| {
                let warnings = one.settings.destination_warnings().into_iter();
                warnings.map(|warning| match &one.name {
                    Some(name) => format!("{name}: {}", name.in_text(&warning)),
                    None => warning,
                })
            });
            let warnings = of_each.chain(destinations.warnings());
            let warnings: Vec<_> =
                warnings.map(|warning| (Code::DoubtfulConfiguration, warning)).collect();
            Found::ok(destinations, seen.join("; ")).with_warnings(warnings)
        }
        Err(errors) => {
            let noun = if errors.len() == 1 { "error" } else { "errors" };
            let detail = format!("{} {noun}", errors.len());
            Found::failed(Code::InvalidConfiguration, detail, errors.join("\n"))
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
pub(super) fn trusted_roots(settings: &Settings) -> Found<Trust> {
    let roots = (settings.trusted_roots_file.as_deref(), settings.trusted_roots_dir.as_deref());
    match Trust::load(roots.0, roots.1) {
        Ok(trust) => {
            let seen = format!("{} from {}", trust.roots(), trust.place());
            let errors =
                trust.errors().into_iter().map(|error| (Code::TrustedRootsUnusable, error));
            let errors: Vec<_> = errors.collect();
            Found::ok(trust, seen).with_warnings(errors)
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

/// What is reached through the forward proxy.
pub(super) fn routes(settings: &Settings, dialer: &Dialer) -> Found<()> {
    if settings.proxy.is_none() {
        return Found::ok((), "none: everything is reached directly");
    }
    let mut seen: Vec<String> = reached(settings)
        .into_iter()
        .map(|(what, origin)| match dialer.proxy_for(&origin) {
            Some(proxy) => format!("{what} {} through {proxy}", origin.host()),
            None => format!("{what} {} directly", origin.host()),
        })
        .collect();
    if matches!(settings.identity, Identity::UserAssigned { .. } | Identity::SystemAssigned) {
        let service = match &settings.identity_endpoint {
            Some(_) => "the platform's identity endpoint",
            None => "the instance metadata service",
        };
        seen.push(format!("{service} directly"));
    }
    if let Some(proxy) = settings.identity.token_proxy() {
        seen.push(format!("token proxy {} directly", proxy.address));
    }
    Found::ok((), seen.join("; "))
}

fn reached(settings: &Settings) -> Vec<(&'static str, Origin)> {
    let ingestion = Origin::of(settings.ingestion_url.url());
    let identity = &settings.identity;
    let authority = identity.authority().filter(|_| identity.token_proxy().is_none());
    let authority = authority.and_then(|host| host.as_str().parse::<Url>().ok());
    let authority = authority.map(|url| ("authority", Origin::of(&url)));
    [("ingestion", ingestion)].into_iter().chain(authority).collect()
}
