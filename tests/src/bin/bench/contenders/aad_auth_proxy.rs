//! The proxy in Go that Microsoft offers for the same task, if there is one.
//!
//! Its library asks the metadata service at an address that is a constant. One
//! that is given it asks as an App Service's; so that is what stands here for
//! it, and hands out the stage's token. Nothing else is asked, neither Azure
//! nor a collector of telemetry.

use std::net::SocketAddr;

use axum::{Json, Router, http::HeaderMap, routing::get};
use serde_json::{Value, json};
use tests::{
    azure::PUBLIC_AUDIENCES,
    failure::{Context, Outcome},
    machine::{clock::Clock, environment, process::Program},
};
use tokio::{net::TcpListener, task::JoinSet};

use crate::stage::Stage;

/// Names its binary, which no one has by chance.
const VARIABLE: &str = "AAD_AUTH_PROXY";
/// What the endpoint wants to see, and the program is given.
const SECRET: &str = "bench";
/// Longer than any run.
const LIFETIME_SECONDS: u64 = 24 * 3600;

/// Where the program is, or why it is left out.
pub(super) fn find() -> Result<String, String> {
    environment::variable(VARIABLE)
        .ok_or_else(|| format!("aad-auth-proxy is left out: ${VARIABLE} names no program"))
}

/// The program, and what serves its tokens until it is dropped.
pub(super) async fn program(stage: &Stage, port: u16) -> Outcome<(Program, JoinSet<()>)> {
    let file = find().ok().context("find aad-auth-proxy")?;
    let (endpoint, serving) = token_endpoint(stage.token.clone()).await?;
    let [audience, _] = PUBLIC_AUDIENCES;
    let program = Program::new("aad-auth-proxy", file)
        .env("AUDIENCE", audience)
        .env("TARGET_HOST", format!("localhost:{}", stage.sink.address.port()))
        .env("LISTENING_PORT", port.to_string())
        .env("IDENTITY_TYPE", "userAssigned")
        .env("AAD_CLIENT_ID", &stage.identity.client_id)
        .env("IDENTITY_ENDPOINT", format!("http://{endpoint}/token"))
        .env("IDENTITY_HEADER", SECRET)
        .env("SSL_CERT_FILE", stage.trust.display().to_string())
        // Else the system's are read as well.
        .env("SSL_CERT_DIR", stage.folder.path().display().to_string());
    Ok((program, serving))
}

/// An App Service's token endpoint.
///
/// <https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference>
async fn token_endpoint(token: String) -> Outcome<(SocketAddr, JoinSet<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("listen")?;
    let address = listener.local_addr().context("listen")?;
    let answer = async move |headers: HeaderMap| -> Result<Json<Value>, http::StatusCode> {
        let secret = headers.get("x-identity-header").is_some_and(|value| value == SECRET);
        let expires = Clock::default().seconds() + LIFETIME_SECONDS;
        let answer = json!({
            "access_token": token,
            "expires_on": expires.to_string(),
            "token_type": "Bearer",
        });
        if secret { Ok(Json(answer)) } else { Err(http::StatusCode::UNAUTHORIZED) }
    };
    let router = Router::new().route("/token", get(answer));
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        // It ends with the contender.
        let _ = axum::serve(listener, router).await;
    });
    Ok((address, serving))
}
