//! The credential used to get a token: its node, its certificate, or a service account
//! token.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use contract::{
    Identity, IdentityEndpoint, MetadataHost, Settings, TokenProxy, TokenProxyAuthority, names,
    names::env,
};
use serde_json::Value;

use super::report::Found;
use crate::{
    clock::{end, span},
    dial::{Dialer, Origin, with_causes},
    explain::Code,
    identity::{
        Issuer, RENEWAL_ADVICE, Reload, Summary, WARN_BEFORE_EXPIRY, read_token, unverified_claims,
    },
};

/// Who receives a service account token.
#[derive(Clone, Copy)]
struct Recipient {
    name: &'static str,
    token_audience: &'static str,
}

const ENTRA: Recipient =
    Recipient { name: "Entra", token_audience: names::FEDERATED_TOKEN_AUDIENCE };
const TOKEN_PROXY: Recipient =
    Recipient { name: "the token proxy", token_audience: names::BINDING_TOKEN_AUDIENCE };

/// Looks at what the identity shows.
pub(super) async fn look(
    settings: &Settings,
    dialer: &Dialer,
    issuer: &mut Issuer,
    now: SystemTime,
) -> Found<()> {
    match &settings.identity {
        Identity::UserAssigned { .. } | Identity::SystemAssigned => managed(settings, dialer).await,
        Identity::AadApplication { .. } => certificate(issuer, now).await,
        Identity::WorkloadIdentity { token_file, token_proxy, .. } => {
            let recipient = if token_proxy.is_some() { TOKEN_PROXY } else { ENTRA };
            service_account(token_file, recipient, now).await
        }
    }
}

/// Whether whoever gives a managed identity its tokens can be reached: the same that
/// the sidecar asks.
async fn managed(settings: &Settings, dialer: &Dialer) -> Found<()> {
    let platform = settings.identity_endpoint.as_ref().map(IdentityEndpoint::url);
    let (name, remedy) = if platform.is_some() {
        (
            "the platform's identity endpoint (IDENTITY_ENDPOINT)",
            "the platform has set this address: restart the app",
        )
    } else {
        (
            "the instance metadata service (IMDS)",
            "managed identities need it: let the pod reach it (AKS' IMDS restriction, a NetworkPolicy or a service mesh may block it), and run on an Azure node; on Container Apps and App Service, which have no IMDS, assign the identity to the app",
        )
    };
    let url = platform.or_else(|| settings.metadata_host.as_ref().map(MetadataHost::url));
    let origin = url.map_or_else(Origin::metadata_service, Origin::of);
    match dialer.for_metadata().tcp(&origin).await {
        Ok(_) => {
            let (host, port) = (origin.host(), origin.port());
            Found::ok((), format!("{name} listens at {host}:{port}"))
        }
        Err(error) => {
            let detail = format!("cannot reach {name}: {}", with_causes(&error));
            Found::failed(Code::ImdsUnreachable, detail, remedy)
        }
    }
}

/// Whether the application's certificate can be used.
async fn certificate(issuer: &mut Issuer, now: SystemTime) -> Found<()> {
    let found = issuer.reload().await;
    match (issuer.certificate(), found) {
        (Some(summary), _) => {
            let seen = format!("the certificate {summary} {}", end(summary.not_after, now));
            Found::ok((), seen).with_warnings(
                certificate_warning(summary, now)
                    .map(|warning| (Code::CertificateExpiring, warning)),
            )
        }
        (None, Reload::Failed(trouble)) => Found::failed(
            Code::CertificateUnusable,
            format!("no certificate: {trouble}"),
            format!(
                "mount a PFX or PEM with certificate and RSA key, and name it in {}",
                env::AZURE_CLIENT_CERTIFICATE_PATH
            ),
        ),
        (None, Reload::Unchanged | Reload::Changed) => {
            let remedy = format!("name its file in {}", env::AZURE_CLIENT_CERTIFICATE_PATH);
            Found::failed(Code::CertificateUnusable, "no certificate", remedy)
        }
    }
}

fn certificate_warning(summary: &Summary, now: SystemTime) -> Option<String> {
    if now < summary.not_before {
        return Some("it is not valid yet, by this node's clock: check the clock".to_owned());
    }
    match summary.not_after.duration_since(now) {
        Ok(left) if left >= WARN_BEFORE_EXPIRY => None,
        _ => Some(RENEWAL_ADVICE.to_owned()),
    }
}

/// The proxy of an identity binding, which the token is shown to in Entra's place.
pub(super) async fn token_proxy(proxy: &TokenProxy, issuer: &Issuer) -> Found<()> {
    let name = proxy.server_name.as_ref().map(|name| format!(" as {name}")).unwrap_or_default();
    let roots = match &proxy.authority {
        Some(TokenProxyAuthority::File(path)) => {
            format!("{}={}", env::AZURE_KUBERNETES_CA_FILE, path.display())
        }
        Some(TokenProxyAuthority::Data(_)) => env::AZURE_KUBERNETES_CA_DATA.to_owned(),
        None => "the trusted roots".to_owned(),
    };
    let address = &proxy.address;
    match issuer.reach_token_proxy(proxy).await {
        Ok(()) => {
            let seen = format!("{address} answers{name}, with a certificate verified by {roots}");
            Found::ok((), seen)
        }
        Err(error) => {
            let detail = format!("no connection to {address}{name}");
            Found::failed(Code::EntraUnreachable, detail, error.to_string())
        }
    }
}

/// Whether the service account token can be read, and what it says of itself.
async fn service_account(path: &Path, recipient: Recipient, now: SystemTime) -> Found<()> {
    let token = match read_token(path).await {
        Ok(token) => token,
        Err(error) => {
            return Found::failed(
                Code::TokenFileUnusable,
                error.to_string(),
                format!(
                    "project a service account token with audience {} into the pod, as prom-remotewrite's and Azure's webhooks do",
                    recipient.token_audience
                ),
            );
        }
    };
    let written = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let age = written.and_then(|at| now.duration_since(at).ok());
    let age = age.map_or_else(String::new, |age| format!(", written {} ago", span(age)));
    let place = format!("the service account token {}{age}", path.display());
    let Some(claims) = unverified_claims(&token) else {
        return Found::ok((), format!("{place}, is not a JWT and cannot be decoded"))
            .with_warnings([(
                Code::TokenFileUnusable,
                "it is not a JWT, so Entra will reject it: mount another one".to_owned(),
            )]);
    };
    let (seen, warnings) = describe(&claims, recipient, now);
    Found::ok((), format!("{place}: {seen}")).with_warnings(warnings)
}

/// What has to be, letter by letter, in the federated credential; and what
/// cannot be right.
fn describe(
    claims: &Value,
    recipient: Recipient,
    now: SystemTime,
) -> (String, Vec<(Code, String)>) {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or("none");
    let audiences: Vec<&str> = match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one],
        _ => Vec::new(),
    };
    let expires = claims.get("exp").and_then(Value::as_u64);
    let expires = expires.and_then(|at| UNIX_EPOCH.checked_add(Duration::from_secs(at)));
    let seen = format!(
        "issuer {}, subject {}, audience {}",
        text("iss"),
        text("sub"),
        if audiences.is_empty() { "none".to_owned() } else { audiences.join(" and ") }
    );
    let ends = expires.map(|at| format!(", {}", end(at, now))).unwrap_or_default();
    let mut warnings = Vec::new();
    let Recipient { name, token_audience } = recipient;
    if !audiences.contains(&token_audience) {
        let warning = format!(
            "{name} expects the audience {token_audience}: name it where the token is projected"
        );
        warnings.push((Code::TokenFileAudience, warning));
    }
    if expires.is_some_and(|at| at <= now) {
        let warning = "it has expired: the kubelet renews it while the pod runs, so check the node and its clock";
        warnings.push((Code::TokenFileExpired, warning.to_owned()));
    }
    (format!("{seen}{ends}"), warnings)
}

#[cfg(test)]
mod tests;
