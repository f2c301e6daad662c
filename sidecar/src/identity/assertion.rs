//! The signed statement by which an application proves that it holds its
//! certificate's key.
//!
//! <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{digest, rand, signature::RSA_PSS_SHA256};
use azure_core::{
    error::{Error, ErrorKind},
    http::ClientMethodOptions,
};
use azure_identity::ClientAssertion;
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use contract::ClientId;
use serde_json::{Value, json};

use super::{certificate::Certificate, exchange::Registration};

/// Microsoft asks for 5 to 10 minutes. The shorter leaves a stolen assertion
/// the least time, and is still more than the clock skew that Entra forgives.
const LIFETIME_SECS: u64 = 300;

/// Why an assertion could not be made: neither happens while memory is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SignError {
    /// The system has no random numbers.
    #[error("failed to get random numbers")]
    Random,
    /// The key does not sign.
    #[error("failed to sign the assertion")]
    Sign,
}

/// Signs assertions for one application with one certificate.
pub(super) struct Signer {
    certificate: Arc<Certificate>,
    client_id: ClientId,
    audience: String,
    send_chain: bool,
    now: fn() -> SystemTime,
}

/// Prints no key.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl Signer {
    /// A signer; `send_chain` adds the chain, for applications that trust a
    /// subject name and issuer instead of a registered certificate.
    pub(super) fn new(
        certificate: Arc<Certificate>,
        registration: &Registration,
        send_chain: bool,
        now: fn() -> SystemTime,
    ) -> Self {
        let Registration { client_id, tenant_id, authority } = registration;
        let audience = format!("{authority}/{tenant_id}/oauth2/v2.0/token");
        Self { certificate, client_id: client_id.clone(), audience, send_chain, now }
    }

    /// A new assertion, valid from now on.
    pub(super) fn sign(&self) -> Result<String, SignError> {
        let mut id = [0; 16];
        rand::fill(&mut id).map_err(|_| SignError::Random)?;
        let now = (self.now)().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = json!({
            "aud": self.audience,
            "iss": self.client_id.as_str(),
            "sub": self.client_id.as_str(),
            "jti": BASE64_URL_SAFE_NO_PAD.encode(id),
            "nbf": now,
            "iat": now,
            "exp": now + LIFETIME_SECS,
        });
        let mut assertion = format!("{}.{}", encoded(&self.header()), encoded(&claims));
        let mut signature = vec![0; self.certificate.key.public_modulus_len()];
        self.certificate
            .key
            .sign(&RSA_PSS_SHA256, &rand::SystemRandom::new(), assertion.as_bytes(), &mut signature)
            .map_err(|_| SignError::Sign)?;
        assertion.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut assertion);
        Ok(assertion)
    }

    /// Both thumbprints: Entra looks for the SHA-256, older authorities of
    /// sovereign clouds for the SHA-1.
    fn header(&self) -> Value {
        let leaf = self.certificate.leaf();
        let thumbprint = |algorithm| BASE64_URL_SAFE_NO_PAD.encode(digest::digest(algorithm, leaf));
        let mut header = json!({
            "alg": "PS256",
            "typ": "JWT",
            "x5t": thumbprint(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            "x5t#S256": thumbprint(&digest::SHA256),
        });
        if self.send_chain
            && let Some(header) = header.as_object_mut()
        {
            let chain = self.certificate.chain.iter().map(|der| BASE64_STANDARD.encode(der));
            header.insert("x5c".to_owned(), chain.collect());
        }
        header
    }
}

fn encoded(part: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(part.to_string())
}

#[async_trait::async_trait]
impl ClientAssertion for Signer {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.sign().map_err(|error| Error::new(ErrorKind::Other, error))
    }
}

#[cfg(test)]
mod tests;
