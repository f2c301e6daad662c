//! One request for a token, as a client makes it.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tests::{
    client::Reply,
    keys::{
        jwt::{self, Algorithm},
        secret,
    },
};
use url::form_urlencoded;

use crate::stand_in::Scene;

const SCOPE: &str = "https://monitor.azure.com//.default";

/// What a client sends; each test spoils one part of it.
pub(super) struct Attempt {
    pub(super) tenant: String,
    pub(super) algorithm: Algorithm,
    pub(super) header: Value,
    pub(super) claims: Value,
    pub(super) key: Vec<u8>,
    pub(super) form: Vec<(&'static str, String)>,
}

impl Attempt {
    /// One that must succeed.
    pub(super) fn good(scene: &Scene) -> Self {
        let (tenant, id) = (scene.azure.tenant(), &scene.application.client_id);
        let now = scene.azure.clock().seconds();
        let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(scene.certificate.thumbprint());
        Self {
            algorithm: Algorithm::Ps256,
            header: json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}),
            claims: json!({
                "aud": format!("{}/{tenant}/oauth2/v2.0/token", scene.azure.authority_host()),
                "iss": id, "sub": id, "jti": secret::uuid(),
                "nbf": now, "iat": now, "exp": now + 300,
            }),
            key: scene.certificate.key_der().to_vec(),
            form: vec![
                ("grant_type", "client_credentials".into()),
                ("client_id", id.clone()),
                ("scope", SCOPE.into()),
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".into(),
                ),
            ],
            tenant,
        }
    }

    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        self.form.retain(|(have, _)| *have != name);
        self.form.push((name, value.to_owned()));
    }

    pub(super) async fn send(&self, scene: &Scene) -> Reply {
        let mut form = self.form.clone();
        if !form.iter().any(|(name, _)| *name == "client_assertion") {
            let assertion =
                jwt::sign(self.algorithm, &self.header, &self.claims, &self.key).unwrap();
            form.push(("client_assertion", assertion));
        }
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let url = format!("{}/{}/oauth2/v2.0/token", scene.azure.authority_host(), self.tenant);
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        scene.client.post(&url, &headers, body).await.unwrap()
    }
}

/// Spoils a good attempt and expects Entra's refusal, in Entra's form.
pub(super) async fn refused(
    scene: &Scene,
    why: &str,
    status: u16,
    code: u32,
    spoil: impl FnOnce(&mut Attempt),
) {
    let mut attempt = Attempt::good(scene);
    spoil(&mut attempt);
    let reply = attempt.send(scene).await;
    assert_eq!(reply.status, status, "{why}: {}", reply.text());
    let body: Value = reply.json().unwrap();
    let description = body["error_description"].as_str().unwrap();
    assert!(description.starts_with(&format!("AADSTS{code}: ")), "{why}: {description}");
    assert!(description.contains("\r\nTrace ID: "), "{why}");
    assert_eq!(body["error_codes"], json!([code]), "{why}");
    assert!(reply.text().contains(r"\r\n"), "the line breaks are escaped");
}
