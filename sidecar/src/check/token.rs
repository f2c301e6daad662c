//! A token, and what it says of itself.

use std::time::SystemTime;

use contract::{ClientId, Settings, names::env};

use super::report::Found;
use crate::{
    clock::end,
    explain::Code,
    identity::{Claims, FetchErrorKind, Issuer, Token},
};

/// Gets a token as the sidecar does.
pub(super) async fn fetch(
    settings: &Settings,
    issuer: &mut Issuer,
    now: fn() -> SystemTime,
) -> Found<Token> {
    match issuer.fetch().await {
        Ok(token) => {
            let claims = token.claims();
            let seen = describe(&token, claims.as_ref(), now());
            let warnings = warnings(settings, &token, claims.as_ref(), now());
            Found::ok(token, seen).with_warnings(warnings)
        }
        Err(error) => {
            let detail = format!("no token ({})", error.kind.as_str());
            Found::failed(code(error.kind), detail, error.to_string())
        }
    }
}

const fn code(kind: FetchErrorKind) -> Code {
    match kind {
        FetchErrorKind::ImdsUnreachable => Code::ImdsUnreachable,
        FetchErrorKind::ImdsRefused => Code::ImdsRefused,
        FetchErrorKind::EntraUnreachable => Code::EntraUnreachable,
        FetchErrorKind::EntraRefused => Code::EntraRefused,
        FetchErrorKind::Certificate => Code::CertificateUnusable,
        FetchErrorKind::TokenFile => Code::TokenFileUnusable,
        FetchErrorKind::Timeout => Code::TokenTimeout,
        FetchErrorKind::Throttled => Code::TokenThrottled,
        FetchErrorKind::Other => Code::TokenFailed,
    }
}

fn describe(token: &Token, claims: Option<&Claims>, now: SystemTime) -> String {
    let ends = end(token.expires_on, now);
    let Some(claims) = claims else {
        return format!("an opaque token, which {ends}");
    };
    let text = |claim: &Option<String>| claim.clone().unwrap_or_else(|| "none".to_owned());
    format!(
        "for {}; application {}, object {}, tenant {}; {ends}",
        text(&claims.audience),
        text(&claims.application),
        text(&claims.object),
        text(&claims.tenant)
    )
}

fn warnings(
    settings: &Settings,
    token: &Token,
    claims: Option<&Claims>,
    now: SystemTime,
) -> Vec<(Code, String)> {
    let mut warnings = Vec::new();
    let expected = settings.audience.resource();
    if let Some(audience) = claims.and_then(|claims| claims.audience.as_deref())
        && !names_same_resource(audience, expected)
    {
        let warning = format!(
            "it is not for {expected}, as was asked: check {} and {}",
            env::INGESTION_AAD_AUDIENCE,
            env::CLOUD
        );
        warnings.push((Code::TokenAudience, warning));
    }
    let application = claims.and_then(|claims| claims.application.as_deref());
    if let (Some(application), Some(expected)) = (application, settings.identity.client_id())
        && !application.eq_ignore_ascii_case(expected.as_str())
    {
        let warning =
            format!("it is for another application than {}={expected}", env::AZURE_CLIENT_ID);
        warnings.push((Code::TokenApplication, warning));
    }
    if token.expires_on <= now {
        let warning =
            "it had already expired when it arrived, by this node's clock: check the clock";
        warnings.push((Code::TokenExpired, warning.to_owned()));
    }
    warnings
}

/// Azure writes a resource with and without a slash at its end, and tokens of
/// version 2 name it by its id.
fn names_same_resource(audience: &str, expected: &str) -> bool {
    let is_id = |text: &str| text.parse::<ClientId>().is_ok();
    audience.trim_end_matches('/').eq_ignore_ascii_case(expected.trim_end_matches('/'))
        || (is_id(audience) && !is_id(expected))
}

#[cfg(test)]
mod tests;
