use std::{collections::HashSet, time::Duration};

use aws_lc_rs::signature::{KeyPair, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};

use super::*;

const CLIENT: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
const CHAIN: &[u8] = include_bytes!("../testdata/chain.pfx");

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_830_000_001)
}

fn signer(content: &[u8], send_chain: bool) -> Signer {
    let registration = Registration {
        client_id: CLIENT.parse().unwrap(),
        tenant_id: "contoso.onmicrosoft.com".parse().unwrap(),
        authority: "https://login.example/".parse().unwrap(),
    };
    let certificate = Certificate::from_bytes(content, "").unwrap();
    Signer::new(Arc::new(certificate), &registration, send_chain, now)
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn an_assertion_says_what_entra_wants_and_its_signature_holds() {
    for content in [CHAIN, include_bytes!("../testdata/rsa4096.pem")] {
        let signer = signer(content, false);
        let assertion = signer.sign().unwrap();
        let [header, claims, signature] = assertion.split('.').collect::<Vec<_>>()[..] else {
            panic!("not three parts: {assertion}")
        };
        let leaf = signer.certificate.leaf();
        let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, leaf);
        let sha256 = digest::digest(&digest::SHA256, leaf);
        let expected = json!({
            "alg": "PS256",
            "typ": "JWT",
            "x5t": BASE64_URL_SAFE_NO_PAD.encode(sha1),
            "x5t#S256": BASE64_URL_SAFE_NO_PAD.encode(sha256),
        });
        assert_eq!(decoded(header), expected);

        let mut claims = decoded(claims);
        let id = claims.as_object_mut().unwrap().remove("jti").unwrap();
        assert_eq!(id.as_str().unwrap().len(), 22);
        let expected = json!({
            "aud": "https://login.example/contoso.onmicrosoft.com/oauth2/v2.0/token",
            "iss": CLIENT,
            "sub": CLIENT,
            "nbf": 1_830_000_001,
            "iat": 1_830_000_001,
            "exp": 1_830_000_301,
        });
        assert_eq!(claims, expected);

        let (content, _) = assertion.rsplit_once('.').unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = signer.certificate.key.public_key();
        UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, public)
            .verify(content.as_bytes(), &signature)
            .unwrap();
    }
}

#[test]
fn the_chain_goes_along_only_where_it_is_wanted_leaf_first() {
    let signer = signer(CHAIN, true);
    let assertion = signer.sign().unwrap();
    let header = decoded(assertion.split('.').next().unwrap());
    let sent: Vec<Vec<u8>> = header["x5c"]
        .as_array()
        .unwrap()
        .iter()
        .map(|der| BASE64_STANDARD.decode(der.as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent, signer.certificate.chain);
}

#[test]
fn no_two_assertions_have_the_same_id() {
    let signer = signer(CHAIN, false);
    let ids: HashSet<String> = (0..20)
        .map(|_| decoded(signer.sign().unwrap().split('.').nth(1).unwrap())["jti"].to_string())
        .collect();
    assert_eq!(ids.len(), 20);
    assert!(!format!("{signer:?}").contains("key"));
}
