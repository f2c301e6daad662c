//! The instance metadata service: who the machine is. On the same address, the
//! endpoint that Container Apps and App Service have instead of it.
//!
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>

use std::{collections::HashMap, sync::Mutex};

use http::request::Parts;
use serde_json::json;
use url::form_urlencoded;

use super::{
    State,
    faults::Answer,
    setup::{Principal, Setup},
};
use crate::locked;

/// Where it is asked.
pub(super) const PATH: &str = "/metadata/identity/oauth2/token";
/// Where the endpoint of Container Apps is asked.
pub(super) const APP_PATH: &str = "/msi/token";
/// The one version of that endpoint.
const APP_VERSION: &str = "2019-08-01";
/// The oldest version that knows managed identities.
const OLDEST_VERSION: &str = "2018-02-01";
/// A cached token is handed out until it has less than this to live, seconds.
/// The real service's figure is not documented; Azure's SDKs count on at least
/// five minutes being left.
const CACHE_MARGIN: u64 = 300;

/// Tokens by client id and resource, as the real service caches them.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<HashMap<(String, String), (String, u64)>>);

impl Cache {
    pub(super) fn clear(&self) {
        locked(&self.0).clear();
    }
}

/// Answers one request.
pub(super) fn answer(state: &State, parts: &Parts) -> Answer {
    match asked(state, parts) {
        Ok((principal, resource)) => issue(state, &principal, &resource),
        Err(answer) => answer,
    }
}

/// Who is meant and for which resource, or why nothing is issued.
fn asked(state: &State, parts: &Parts) -> Result<(Principal, String), Answer> {
    let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let query: HashMap<String, String> =
        form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let of_app = parts.uri.path() == APP_PATH;
    if parts.uri.path() != PATH && !of_app {
        return Err(Answer { status: 404, ..Answer::default() });
    }
    if parts.method != http::Method::GET {
        return Err(Answer { status: 405, ..Answer::default() });
    }
    if header("x-forwarded-for").is_some() {
        return Err(refuse("invalid_request", "Request contains a forbidden header"));
    }
    let version = query.get("api-version").map(String::as_str).unwrap_or_default();
    if of_app && header("x-identity-header") != Some(state.identity_header.as_str()) {
        return Err(Answer { status: 401, ..Answer::default() });
    }
    if of_app && version != APP_VERSION {
        return Err(refuse("invalid_request", "Bad request. api-version is invalid."));
    }
    if !of_app && !header("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(refuse("invalid_request", "Required metadata header not specified"));
    }
    if !is_date(version) || version < OLDEST_VERSION {
        return Err(refuse(
            "invalid_request",
            "Bad request. api-version is invalid or was not specified in the request.",
        ));
    }
    let Some(resource) = query.get("resource").filter(|resource| !resource.is_empty()) else {
        return Err(refuse(
            "invalid_request",
            "AADSTS90014: The required field 'resource' is missing from the request.",
        ));
    };
    let setup = locked(&state.setup);
    if !setup.resources.contains(resource) {
        return Err(refuse(
            "invalid_resource",
            &format!(
                "AADSTS500011: The resource principal named {resource} was not found in the tenant named {}.",
                setup.tenant
            ),
        ));
    }
    let principal = principal(&setup, &query)?;
    Ok((principal, resource.clone()))
}

fn principal(setup: &Setup, query: &HashMap<String, String>) -> Result<Principal, Answer> {
    let by = |name: &str, field: fn(&Principal) -> &str| {
        query.get(name).map(|id| {
            let all = setup.identities.iter().chain(&setup.system_identity);
            let found = all.into_iter().find(|one| field(one).eq_ignore_ascii_case(id));
            found.cloned().ok_or_else(|| refuse("invalid_request", "Identity not found"))
        })
    };
    let named = by("client_id", |one| &one.client_id)
        .or_else(|| by("object_id", |one| &one.object_id))
        .or_else(|| by("msi_res_id", |one| &one.resource_id))
        .or_else(|| by("mi_res_id", |one| &one.resource_id));
    match (named, &setup.system_identity, setup.identities.as_slice()) {
        (Some(named), _, _) => named,
        (None, Some(system), _) => Ok(system.clone()),
        (None, None, [only]) => Ok(only.clone()),
        (None, None, []) => Err(refuse("invalid_request", "Identity not found")),
        (None, None, _) => Err(refuse(
            "invalid_request",
            "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request",
        )),
    }
}

fn issue(state: &State, principal: &Principal, resource: &str) -> Answer {
    let now = state.clock.seconds();
    let key = (principal.client_id.clone(), resource.to_owned());
    let (tenant, may_cache) = {
        let setup = locked(&state.setup);
        (setup.tenant.clone(), setup.metadata_cache)
    };
    let mut cache = locked(&state.metadata_cache.0);
    let cached = cache.get(&key).filter(|(_, expires)| may_cache && *expires > now + CACHE_MARGIN);
    let (token, expires) = cached.cloned().unwrap_or_else(|| {
        let lifetime = state.lifetime();
        (state.tokens.mint(&tenant, principal, resource, now, lifetime), now + lifetime)
    });
    cache.insert(key, (token.clone(), expires));
    // The real service writes every number as text.
    Answer::json(
        200,
        &json!({
            "access_token": token,
            "client_id": principal.client_id,
            "expires_in": expires.saturating_sub(now).to_string(),
            "expires_on": expires.to_string(),
            "ext_expires_in": expires.saturating_sub(now).to_string(),
            "not_before": now.to_string(),
            "resource": resource,
            "token_type": "Bearer",
        }),
    )
}

fn refuse(error: &str, description: &str) -> Answer {
    Answer::json(400, &json!({"error": error, "error_description": description}))
}

/// `YYYY-MM-DD`, so that versions compare as text.
fn is_date(text: &str) -> bool {
    let shape: String =
        text.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    shape == "0000-00-00"
}
