//! Signs tokens as a client would: for tests that must get each part wrong.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::failure::{Context, Outcome};

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA-PSS, as Entra wants assertions.
    Ps256,
    /// RSA PKCS#1 1.5, as Kubernetes signs service account tokens.
    Rs256,
}

/// A token with `header` and `claims`, signed with a PKCS#8 key.
pub fn sign(algorithm: Algorithm, header: &Value, claims: &Value, key: &[u8]) -> Outcome<String> {
    let encoding: &'static dyn RsaEncoding = match algorithm {
        Algorithm::Ps256 => &RSA_PSS_SHA256,
        Algorithm::Rs256 => &RSA_PKCS1_SHA256,
    };
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let key = RsaKeyPair::from_pkcs8(key).context("use a key to sign a token")?;
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .context("sign a token")?;
    Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}
