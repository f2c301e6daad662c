//! Signs tokens as a client would, for tests that must get each part wrong, and
//! reads an issuer's keys.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use der::{Encode, asn1::UintRef};
use serde_json::Value;

use crate::{
    failure::{Context, Outcome},
    keys::pfx,
};

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

/// The RSA keys of a JSON Web Key Set (RFC 7518, section 6.3.1), PKCS#1 DER.
pub fn public_keys(set: &Value) -> Outcome<Vec<Vec<u8>>> {
    let keys = set.get("keys").and_then(Value::as_array).context("find keys in a key set")?;
    let read = keys.iter().map(|key| public_key(key).context(format!("use the key {key}")));
    read.collect()
}

fn public_key(key: &Value) -> Option<Vec<u8>> {
    let number = |name: &str| {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?).ok()?;
        UintRef::new(&bytes).ok()?.to_der().ok()
    };
    Some(pfx::node(pfx::SEQUENCE, &[&number("n")?, &number("e")?]))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
    use serde_json::json;

    use super::*;
    use crate::keys::authority::ApplicationCertificate;

    #[test]
    fn a_key_set_is_read() {
        let certificate = ApplicationCertificate::new("issuer").unwrap();
        let pair = RsaKeyPair::from_pkcs8(certificate.key_der()).unwrap();
        let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let key = json!({
            "kty": "RSA", "alg": "RS256", "kid": "1", "use": "sig",
            "n": text(pair.public_key().modulus().big_endian_without_leading_zero()),
            "e": text(pair.public_key().exponent().big_endian_without_leading_zero()),
        });
        let read = public_keys(&json!({"keys": [key]})).unwrap();
        assert_eq!(read, [certificate.public_key().unwrap()]);
        assert!(public_keys(&json!({"keys": [{"kty": "EC", "x": "AA"}]})).is_err());
    }
}
