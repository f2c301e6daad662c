//! Identity bindings of AKS, by which a profile's identity gets its tokens.

use std::str::FromStr;

use contract::{
    IdentityType, InvalidValue, Pem, ServerName, SettingError, TokenProxyAddress, names::env,
    parse_bool,
};

use super::PROFILE_ONLY;
use crate::config::reader::{Reader, Section};

/// The key that says so.
pub const IDENTITY_BINDING: &str = "identityBinding";

/// What a profile says of an identity binding. What it does not say is AKS' own, or
/// known to azure-workload-identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// Where the proxy is.
    pub address: Option<TokenProxyAddress>,
    /// The name by which TLS asks for it.
    pub server_name: Option<ServerName>,
    /// Its CA.
    pub authority: Option<Pem>,
}

/// Reads the key, and those of [`PROFILE_ONLY`] that mean something beside it alone;
/// `only` are the texts of that table.
pub(super) fn read(
    reader: &mut Reader,
    section: &mut Section,
    kind: Option<IdentityType>,
    only: &[(&'static str, String)],
) -> Option<Binding> {
    let is_bound = reader.parsed_with(section, IDENTITY_BINDING, parse_bool).unwrap_or(false);
    let mut texts = Texts { section, only, is_bound, errors: Vec::new() };
    let binding = Binding {
        address: texts.value(env::AZURE_KUBERNETES_TOKEN_PROXY),
        server_name: texts.value(env::AZURE_KUBERNETES_SNI_NAME),
        authority: texts.value(env::AZURE_KUBERNETES_CA_DATA),
    };
    reader.errors.append(&mut texts.errors);
    if let Some(kind) = kind.filter(|kind| is_bound && *kind != IdentityType::WorkloadIdentity) {
        let expected = format!("identityType workloadIdentity with it, not {kind}");
        let path = section.path_of(IDENTITY_BINDING);
        reader.errors.push(InvalidValue::expected(expected).at(path, "true"));
    }
    is_bound.then_some(binding)
}

struct Texts<'a> {
    section: &'a Section,
    only: &'a [(&'static str, String)],
    is_bound: bool,
    errors: Vec<SettingError>,
}

impl Texts<'_> {
    /// The value for a variable. A text may be a private key by mistake, so that it is
    /// not shown if it has several lines.
    fn value<T: FromStr<Err = InvalidValue>>(&mut self, variable: &str) -> Option<T> {
        let key = PROFILE_ONLY.iter().find(|one| one.variable == variable)?.key;
        let (_, text) = self.only.iter().find(|(name, _)| *name == key)?;
        let parsed = if self.is_bound {
            text.parse()
        } else {
            Err(InvalidValue::expected(format!("{IDENTITY_BINDING}: true with it")))
        };
        let is_shown = !text.contains('@') && !text.contains("-----");
        let shown = if is_shown { text.as_str() } else { "…" };
        parsed.map_err(|error| self.errors.push(error.at(self.section.path_of(key), shown))).ok()
    }
}
