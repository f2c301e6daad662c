//! Client assertions: signed by an application's certificate, or by an issuer
//! whom the application trusts.
//!
//! <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{State, entra::Refusal, setup::Application};
use crate::locked;

/// The longest an assertion may live, seconds. Entra documents five to ten
/// minutes as reasonable.
const MAX_LIFETIME: u64 = 600;
/// What Entra demands of a federated token.
const FEDERATED_AUDIENCE: &str = "api://AzureADTokenExchange";

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(rename = "x5t#S256")]
    thumbprint: Option<String>,
    /// The chain, leaf first, each in standard base64 (RFC 7515, 4.1.6).
    #[serde(default)]
    x5c: Vec<String>,
}

#[derive(Deserialize)]
struct Claims {
    aud: Audiences,
    iss: String,
    sub: String,
    exp: u64,
    nbf: Option<u64>,
    iat: Option<u64>,
    jti: Option<String>,
}

/// A service account's token has a list, an own assertion one text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Many(Vec<String>),
}

impl Audiences {
    fn has(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

struct Parsed<'a> {
    header: Header,
    claims: Claims,
    signed: &'a str,
    signature: Vec<u8>,
}

/// Whether `text` proves that `application` is asking at `endpoint`.
pub(super) fn check(
    state: &State,
    application: &Application,
    endpoint: &str,
    text: &str,
) -> Result<(), Refusal> {
    let parsed = parse(text)?;
    if parsed.claims.iss == application.principal.client_id {
        by_certificate(state, application, endpoint, &parsed)?;
        check_times(state, &parsed.claims, MAX_LIFETIME)?;
        check_unused(state, &parsed.claims)
    } else {
        by_federation(application, &parsed)?;
        // A kubelet's tokens live up to a day.
        check_times(state, &parsed.claims, 86_400)
    }
}

fn parse(text: &str) -> Result<Parsed<'_>, Refusal> {
    let malformed = || {
        Refusal::request(
            "invalid_request",
            50027,
            "Invalid JWT token. The token is malformed, or has other parts than header, claims and signature.",
        )
    };
    let (signed, signature) = text.rsplit_once('.').ok_or_else(malformed)?;
    let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
    Ok(Parsed {
        header: part(header).ok_or_else(malformed)?,
        claims: part(claims).ok_or_else(malformed)?,
        signed,
        signature: BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?,
    })
}

/// One base64url part of a token, read as JSON.
fn part<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

fn by_certificate(
    state: &State,
    application: &Application,
    endpoint: &str,
    parsed: &Parsed<'_>,
) -> Result<(), Refusal> {
    let refuse = |reason: &str| {
        Refusal::client(
            700_027,
            format!(
                "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - {reason}, Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id '{}'.]",
                application.principal.client_id
            ),
        )
    };
    if parsed.header.alg != "PS256" {
        return Err(refuse("The signing algorithm is not PS256"));
    }
    let thumbprint = parsed.header.thumbprint.as_deref().unwrap_or_default();
    let brought = chain_leaf(application, &parsed.header.x5c);
    let certificate = application
        .certificates
        .iter()
        .chain(&brought)
        .find(|der| BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(der)) == thumbprint)
        .ok_or_else(|| refuse("The key was not found."))?;
    check_validity(state, certificate)?;
    let key = public_key(certificate).ok_or_else(|| refuse("The key cannot be read."))?;
    if !is_signed(&RSA_PSS_2048_8192_SHA256, &key, parsed) {
        return Err(refuse("The key was found, but the signature verification failed."));
    }
    if parsed.claims.sub != application.principal.client_id {
        return Err(Refusal::client(
            700_021,
            "Client assertion application identifier doesn't match 'client_id' parameter.",
        ));
    }
    if !parsed.claims.aud.has(endpoint) {
        return Err(Refusal::client(
            700_023,
            format!(
                "Client assertion audience claim does not match Realm issuer. The audience must be {endpoint}."
            ),
        ));
    }
    Ok(())
}

fn check_validity(state: &State, certificate: &[u8]) -> Result<(), Refusal> {
    let now = i64::try_from(state.clock.seconds()).unwrap_or(i64::MAX);
    let valid = X509Certificate::from_der(certificate).is_ok_and(|(_, read)| {
        let validity = read.validity();
        (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now)
    });
    if valid {
        return Ok(());
    }
    Err(Refusal::client(
        1_000_502,
        "The provided certificate is not within its specified validity window.",
    ))
}

/// The leaf of the chain that an assertion brought, if the application trusts
/// its subject and its issuer.
fn chain_leaf(application: &Application, chain: &[String]) -> Option<Vec<u8>> {
    let leaf = BASE64_STANDARD.decode(chain.first()?).ok()?;
    let (_, read) = X509Certificate::from_der(&leaf).ok()?;
    let subject = read.subject().iter_common_name().next()?.as_str().ok()?;
    let trusted = application.issuers.iter().any(|trust| {
        let signed = X509Certificate::from_der(&trust.authority)
            .is_ok_and(|(_, issuer)| read.verify_signature(Some(issuer.public_key())).is_ok());
        signed && trust.subject == subject
    });
    trusted.then_some(leaf)
}

fn by_federation(application: &Application, parsed: &Parsed<'_>) -> Result<(), Refusal> {
    let claims = &parsed.claims;
    let refuse = || {
        Refusal::client(
            70021,
            format!(
                "No matching federated identity record found for presented assertion. Assertion Issuer: '{}'. Assertion Subject: '{}'.",
                claims.iss, claims.sub
            ),
        )
    };
    let federation = application
        .federations
        .iter()
        .find(|one| one.issuer == claims.iss && one.subject == claims.sub)
        .ok_or_else(refuse)?;
    if !claims.aud.has(FEDERATED_AUDIENCE) {
        return Err(Refusal::client(
            700_212,
            "No matching federated identity record found for presented assertion audience.",
        ));
    }
    let signs = |key: &Vec<u8>| is_signed(&RSA_PKCS1_2048_8192_SHA256, key, parsed);
    let genuine = parsed.header.alg == "RS256" && federation.keys.iter().any(signs);
    if genuine { Ok(()) } else { Err(refuse()) }
}

fn check_times(state: &State, claims: &Claims, longest: u64) -> Result<(), Refusal> {
    let now = state.clock.seconds();
    let start = claims.nbf.or(claims.iat).unwrap_or(claims.exp);
    // Clocks differ by some minutes in practice; Entra allows five.
    let skew = 300;
    let current = start <= now + skew && now < claims.exp;
    if current && claims.exp > start && claims.exp - start <= longest {
        return Ok(());
    }
    Err(Refusal::client(
        700_024,
        format!(
            "Client assertion is not within its valid time range. Current time: {now}, assertion valid from {start}, expiry time of assertion {}.",
            claims.exp
        ),
    ))
}

fn check_unused(state: &State, claims: &Claims) -> Result<(), Refusal> {
    let unused = |jti: &String| locked(&state.used_assertions).insert(jti.clone());
    if claims.jti.as_ref().is_some_and(unused) {
        return Ok(());
    }
    Err(Refusal::client(50027, "Invalid JWT token. The jti is missing or was used before."))
}

fn is_signed(algorithm: &'static RsaParameters, key: &[u8], parsed: &Parsed<'_>) -> bool {
    UnparsedPublicKey::new(algorithm, key)
        .verify(parsed.signed.as_bytes(), &parsed.signature)
        .is_ok()
}

/// The certificate's RSA key, PKCS#1.
fn public_key(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate.public_key().subject_public_key.data.to_vec())
}
