//! Entra's token endpoint, for client credentials with an assertion.
//!
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>

use std::collections::HashMap;

use http::request::Parts;
use serde_json::json;
use url::form_urlencoded;

use super::{
    State, assertion,
    faults::Answer,
    setup::{Application, Setup},
};
use crate::{keys::secret, locked};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A refusal as Entra words it.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    error: &'static str,
    code: u32,
    message: String,
}

impl Refusal {
    /// The request is at fault.
    pub(super) fn request(error: &'static str, code: u32, message: impl Into<String>) -> Self {
        Self { status: 400, error, code, message: message.into() }
    }

    /// The client did not prove who it is.
    pub(super) fn client(code: u32, message: impl Into<String>) -> Self {
        Self { status: 401, error: "invalid_client", code, message: message.into() }
    }

    /// The line breaks are the real ones: readers that borrow strings from
    /// JSON fail on their escapes.
    fn answer(self, state: &State) -> Answer {
        let (trace, correlation) = (secret::uuid(), secret::uuid());
        let time = timestamp(state.clock.seconds());
        let description = format!(
            "AADSTS{}: {}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {time}",
            self.code, self.message
        );
        Answer::json(
            self.status,
            &json!({
                "error": self.error,
                "error_description": description,
                "error_codes": [self.code],
                "timestamp": time,
                "trace_id": trace,
                "correlation_id": correlation,
                "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
            }),
        )
        .header("x-ms-request-id", trace)
    }
}

/// Answers one request.
pub(super) fn answer(state: &State, parts: &Parts, body: &[u8]) -> Answer {
    let segments: Vec<&str> = parts.uri.path().split('/').skip(1).collect();
    let [tenant, "oauth2", "v2.0", "token"] = segments.as_slice() else {
        return Answer { status: 404, ..Answer::default() };
    };
    if parts.method != http::Method::POST {
        return Answer { status: 405, ..Answer::default() };
    }
    let form: HashMap<String, String> = if is_form(parts) {
        form_urlencoded::parse(body).into_owned().collect()
    } else {
        HashMap::new()
    };
    match grant(state, tenant, &form) {
        Ok(answer) => answer,
        Err(refusal) => refusal.answer(state),
    }
}

fn grant(state: &State, tenant: &str, form: &HashMap<String, String>) -> Result<Answer, Refusal> {
    let setup = locked(&state.setup).clone();
    if !setup.tenant.eq_ignore_ascii_case(tenant) {
        return Err(Refusal::request(
            "invalid_request",
            90002,
            format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
            ),
        ));
    }
    if required(form, "grant_type")? != "client_credentials" {
        return Err(Refusal::request(
            "unsupported_grant_type",
            70003,
            "The app requested an unsupported grant type.",
        ));
    }
    let application = application(&setup, required(form, "client_id")?)?;
    let resource = resource(&setup, required(form, "scope")?)?;
    if form.get("client_assertion_type").map(String::as_str) != Some(ASSERTION_TYPE) {
        return Err(Refusal::client(
            7_000_216,
            "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
        ));
    }
    let endpoint = format!("{}/{tenant}/oauth2/v2.0/token", state.addresses.authority);
    assertion::check(state, application, &endpoint, required(form, "client_assertion")?)?;
    let lifetime = state.lifetime();
    let now = state.clock.seconds();
    let token = state.tokens.mint(&setup.tenant, &application.principal, &resource, now, lifetime);
    Ok(Answer::json(
        200,
        &json!({
            "token_type": "Bearer",
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
            "access_token": token,
        }),
    ))
}

fn required<'a>(form: &'a HashMap<String, String>, name: &str) -> Result<&'a str, Refusal> {
    form.get(name).map(String::as_str).ok_or_else(|| {
        Refusal::request(
            "invalid_request",
            900_144,
            format!("The request body must contain the following parameter: '{name}'."),
        )
    })
}

fn application<'a>(setup: &'a Setup, client_id: &str) -> Result<&'a Application, Refusal> {
    let found = setup
        .applications
        .iter()
        .find(|one| one.principal.client_id.eq_ignore_ascii_case(client_id));
    found.ok_or_else(|| {
        Refusal::request("unauthorized_client", 700_016, format!(
            "Application with identifier '{client_id}' was not found in the directory '{}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant.", setup.tenant
        ))
    })
}

/// The resource that a scope names: all of it before `/.default`.
fn resource(setup: &Setup, scope: &str) -> Result<String, Refusal> {
    let Some(resource) = scope.strip_suffix("/.default") else {
        return Err(Refusal::request(
            "invalid_scope",
            1_002_012,
            format!(
                "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
            ),
        ));
    };
    if setup.resources.iter().any(|known| known == resource) {
        return Ok(resource.to_owned());
    }
    Err(Refusal::request(
        "invalid_resource",
        500_011,
        format!(
            "The resource principal named {resource} was not found in the tenant named {}.",
            setup.tenant
        ),
    ))
}

fn is_form(parts: &Parts) -> bool {
    let kind = parts.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

/// As Entra writes a time: `2026-11-23 15:57:48Z`.
fn timestamp(seconds: u64) -> String {
    let at = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| time::OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    format!("{} {:02}:{:02}:{:02}Z", at.date(), at.hour(), at.minute(), at.second())
}
