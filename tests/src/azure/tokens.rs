//! Bearer tokens: minted, remembered, revoked.
//!
//! A token has the shape of Entra's (three base64url parts, claims that a reader
//! understands) but its signature is 256 random bytes: no one else can make one, and
//! whether one is genuine is looked up, not computed.

use std::{collections::HashMap, sync::Mutex};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use super::setup::Principal;
use crate::{keys::secret, locked};

/// A token that was issued.
#[derive(Clone, Debug)]
pub struct Minted {
    /// For whom it is meant.
    pub audience: String,
    /// Whom it speaks of.
    pub principal: Principal,
    /// When it was issued, seconds since 1970.
    pub issued: u64,
    /// When it ends, seconds since 1970.
    pub expires: u64,
    revoked: bool,
}

/// Why a bearer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nothing that was issued here.
    Foreign,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
}

/// All tokens of a run.
#[derive(Debug, Default)]
pub struct Tokens {
    minted: Mutex<HashMap<String, Minted>>,
}

impl Tokens {
    /// Issues one.
    pub(super) fn mint(
        &self,
        tenant: &str,
        principal: &Principal,
        audience: &str,
        issued: u64,
        lifetime: u64,
    ) -> String {
        let expires = issued + lifetime;
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": "stand-in"});
        let claims = json!({
            "aud": audience,
            "iss": format!("https://sts.windows.net/{tenant}/"),
            "iat": issued, "nbf": issued, "exp": expires,
            "appid": principal.client_id, "oid": principal.object_id, "sub": principal.object_id,
            "tid": tenant, "uti": secret::random_text::<16>(), "ver": "1.0",
        });
        let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}.{}", part(header), part(claims), secret::random_text::<256>());
        let minted = Minted {
            audience: audience.to_owned(),
            principal: principal.clone(),
            issued,
            expires,
            revoked: false,
        };
        locked(&self.minted).insert(text.clone(), minted);
        text
    }

    /// Looks one up.
    pub(super) fn check(&self, text: &str, now: u64) -> Result<Minted, Refused> {
        let minted = locked(&self.minted).get(text).cloned().ok_or(Refused::Foreign)?;
        if minted.revoked {
            return Err(Refused::Revoked);
        }
        if now >= minted.expires {
            return Err(Refused::Expired);
        }
        Ok(minted)
    }

    /// Takes back every token that was issued so far.
    pub fn revoke_all(&self) {
        for minted in locked(&self.minted).values_mut() {
            minted.revoked = true;
        }
    }

    /// How many were issued.
    pub fn count(&self) -> usize {
        locked(&self.minted).len()
    }

    /// Every token with its text: to grep logs for, or to try one's luck with.
    pub fn all(&self) -> Vec<(String, Minted)> {
        locked(&self.minted).iter().map(|(text, minted)| (text.clone(), minted.clone())).collect()
    }
}
