//! A token, as the forwarding side needs it.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use azure_core::credentials::AccessToken;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::HeaderValue;
use serde_json::Value;

/// A bearer token and when it ends.
#[derive(Clone)]
pub struct Token {
    /// `Bearer …`, marked sensitive.
    pub authorization: HeaderValue,
    /// When the issuer says it ends.
    pub expires_on: SystemTime,
}

/// Prints no token.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("expires_on", &self.expires_on).finish_non_exhaustive()
    }
}

impl Token {
    /// A token from what a credential returned; `None` if it is empty or
    /// cannot be part of a header.
    pub(super) fn new(token: &AccessToken) -> Option<Self> {
        let secret = token.token.secret();
        if secret.is_empty() {
            return None;
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {secret}")).ok()?;
        authorization.set_sensitive(true);
        Some(Self { authorization, expires_on: token.expires_on.into() })
    }

    /// What the token says of itself, for explanations only: nothing of it is
    /// verified. `None` if it is not a JWT.
    pub fn claims(&self) -> Option<Claims> {
        let claims = unverified_claims(self.authorization.to_str().ok()?)?;
        let text = |name| claims.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let expires = claims.get("exp").and_then(Value::as_u64);
        Some(Claims {
            audience: text("aud"),
            application: text("appid").or_else(|| text("azp")),
            tenant: text("tid"),
            object: text("oid"),
            expires_on: expires.and_then(|at| UNIX_EPOCH.checked_add(Duration::from_secs(at))),
        })
    }
}

/// What a JWT says of itself; nothing of it is verified.
pub(crate) fn unverified_claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    let json = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&json).ok()
}

/// Claims of a token, read and not verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `aud`: for whom the token is.
    pub audience: Option<String>,
    /// `appid`, or `azp` in a token of version 2: the client id.
    pub application: Option<String>,
    /// `tid`: the tenant.
    pub tenant: Option<String>,
    /// `oid`: the principal, to which the role must be assigned.
    pub object: Option<String>,
    /// `exp`.
    pub expires_on: Option<SystemTime>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(secret: &str) -> Option<Token> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        Token::new(&AccessToken::new(secret.to_owned(), now.into()))
    }

    #[test]
    fn claims_are_read_from_a_jwt_of_either_version_and_from_nothing_else() {
        let jwt = |claims: &str| format!("e30.{}.sig", BASE64_URL_SAFE_NO_PAD.encode(claims));
        let check = |claims: &str, expected: Option<Claims>| {
            assert_eq!(token(&jwt(claims)).unwrap().claims(), expected, "{claims}");
        };
        check(
            r#"{"aud":"https://monitor.azure.com/","appid":"a","tid":"t","oid":"o","exp":1}"#,
            Some(Claims {
                audience: Some("https://monitor.azure.com/".to_owned()),
                application: Some("a".to_owned()),
                tenant: Some("t".to_owned()),
                object: Some("o".to_owned()),
                expires_on: Some(UNIX_EPOCH + Duration::from_secs(1)),
            }),
        );
        check(
            r#"{"azp":"b","exp":18446744073709551615,"aud":["x"]}"#,
            Some(Claims { application: Some("b".to_owned()), ..Claims::default() }),
        );
        check("not json", None);
        assert_eq!(token("opaque").unwrap().claims(), None);
    }

    #[test]
    fn a_token_is_a_sensitive_header_and_prints_nowhere() {
        let token = token("s3cret").unwrap();
        assert_eq!(token.authorization, "Bearer s3cret");
        assert!(token.authorization.is_sensitive());
        assert!(!format!("{token:?}").contains("s3cret"));
    }

    #[test]
    fn a_token_that_cannot_be_a_header_is_rejected() {
        assert!(token("").is_none());
        assert!(token("a\nb").is_none());
    }
}
