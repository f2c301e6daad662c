//! A token, and what it says of itself.

use std::time::SystemTime;

use contract::{ClientId, Settings, names::env};

use super::{report::Found, span::end};
use crate::identity::{Claims, Issuer, Token};

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
            let doubts = doubts(settings, &token, claims.as_ref(), now());
            Found::ok(token, seen).doubting(doubts)
        }
        Err(error) => {
            Found::failed(format!("no token ({})", error.kind.as_str()), error.to_string())
        }
    }
}

fn describe(token: &Token, claims: Option<&Claims>, now: SystemTime) -> String {
    let ends = end(token.expires_on, now);
    let Some(claims) = claims else {
        return format!("a token that says nothing of itself, which {ends}");
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

fn doubts(
    settings: &Settings,
    token: &Token,
    claims: Option<&Claims>,
    now: SystemTime,
) -> Vec<String> {
    let mut doubts = Vec::new();
    let wanted = settings.audience.resource();
    if let Some(audience) = claims.and_then(|claims| claims.audience.as_deref())
        && !names_same_resource(audience, wanted)
    {
        doubts.push(format!(
            "it is not for {wanted}, as was asked: check {} and {}",
            env::INGESTION_AAD_AUDIENCE,
            env::CLOUD
        ));
    }
    let application = claims.and_then(|claims| claims.application.as_deref());
    if let (Some(application), Some(wanted)) = (application, settings.identity.client_id())
        && !application.eq_ignore_ascii_case(wanted.as_str())
    {
        doubts.push(format!(
            "it speaks of another application than {}={wanted}",
            env::AZURE_CLIENT_ID
        ));
    }
    if token.expires_on <= now {
        doubts.push("it had ended when it came, by this node's clock: check the clock".to_owned());
    }
    doubts
}

/// Azure writes a resource with and without a slash at its end, and tokens of
/// version 2 name it by its id.
fn names_same_resource(audience: &str, wanted: &str) -> bool {
    let is_id = |text: &str| text.parse::<ClientId>().is_ok();
    audience.trim_end_matches('/').eq_ignore_ascii_case(wanted.trim_end_matches('/'))
        || (is_id(audience) && !is_id(wanted))
}

#[cfg(test)]
mod tests;
