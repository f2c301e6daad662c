//! A profile: the settings that a pod chooses by name.
//!
//! Its keys are the annotations' names in camelCase, and [`PROFILE_ONLY`], which only an
//! operator may set, because they decide whom the sidecar trusts, who may use it, or how
//! much memory it takes. A profile need not be complete: a pod's annotations may give the
//! rest.

mod binding;
mod only;

use std::mem;

use contract::{
    Audience, AuthorityHost, CertificateName, Identity, IngestionUrl, InvalidValue, Key, Limits,
    ObjectName, Overrides, SettingError, Settings, names::env,
};
use serde_json::Value;

use super::{
    reader::{Reader, Section},
    resources::above_limit,
};

pub use binding::{Binding, IDENTITY_BINDING};
pub use only::{PROFILE_ONLY, ProfileOnly, Shape};

/// Settings that a pod chooses by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Settings that an annotation can set as well.
    pub overrides: Overrides,
    /// What [`PROFILE_ONLY`] gives: each key with its text, in that order.
    pub only: Vec<(&'static str, String)>,
    /// The authority, instead of the cloud's.
    pub authority_host: Option<AuthorityHost>,
    /// Whether assertions carry the certificate's chain.
    pub sends_chain: bool,
    /// Roots that the sidecar trusts instead of the system's.
    pub trust: Option<TrustConfigMap>,
    /// Settings of the identity binding, if the identity is used by one.
    pub binding: Option<Binding>,
    /// The sidecar's settings with `only`; the others have the sidecar's default, and
    /// URL, identity and audience are placeholders.
    settings: Option<Box<Settings>>,
}

/// A `ConfigMap` in the pod's namespace with trusted roots in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustConfigMap {
    /// The `ConfigMap`.
    pub name: ObjectName,
    /// Its key: the file's name.
    pub key: CertificateName,
}

impl Profile {
    /// The settings of this destination, with what this profile gives of
    /// [`PROFILE_ONLY`]; the others have the sidecar's default.
    pub fn settings_for(
        &self,
        ingestion_url: IngestionUrl,
        identity: Identity,
        audience: Audience,
    ) -> Settings {
        match self.settings.as_deref() {
            Some(settings) => Settings { ingestion_url, identity, audience, ..settings.clone() },
            None => Settings::new(ingestion_url, identity, audience),
        }
    }

    /// The bounds on memory and time.
    pub fn limits(&self) -> Limits {
        self.settings.as_ref().map(|settings| settings.limits).unwrap_or_default()
    }
}

/// Reads the profile at `path`.
pub(super) fn read(reader: &mut Reader, path: &str, value: Value) -> Option<Profile> {
    let mut section = reader.section(path, value)?;
    let overrides = overrides(reader, &mut section);
    let trust = trust(reader, &mut section);
    let (only, mut settings) = profile_only(reader, &mut section);
    let placeholder = Identity::SystemAssigned;
    let identity = settings.as_mut().map(|one| mem::replace(&mut one.identity, placeholder));
    let is_given = only.iter().any(|(key, _)| *key == "authorityHost");
    let authority_host = identity.as_ref().and_then(Identity::authority).filter(|_| is_given);
    let sends_chain = matches!(
        &identity,
        Some(Identity::AadApplication { certificate, .. }) if certificate.send_chain
    );
    let binding = binding::read(reader, &mut section, overrides.identity_type, &only);
    reader.reject_rest(section);
    let authority_host = authority_host.cloned();
    Some(Profile { overrides, only, authority_host, sends_chain, trust, binding, settings })
}

fn overrides(reader: &mut Reader, section: &mut Section) -> Overrides {
    let mut overrides = Overrides::default();
    for key in Key::ALL {
        reader.parsed_with(section, key.profile(), |text| overrides.set(*key, text));
    }
    if let (Some(secret), Some(_)) =
        (&overrides.certificate_secret, &overrides.secret_provider_class)
    {
        let rejected =
            InvalidValue::expected("only one of certificateSecret and secretProviderClass");
        reader.errors.push(rejected.at(section.path_of("certificateSecret"), secret.as_str()));
    }
    let pairs = [
        (Key::CpuRequest, &overrides.cpu_request, &overrides.cpu_limit),
        (Key::MemoryRequest, &overrides.memory_request, &overrides.memory_limit),
    ];
    for (key, request, limit) in pairs {
        let path = section.path_of(key.profile());
        reader.errors.extend(above_limit(&path, request.as_ref(), limit.as_ref()));
    }
    overrides
}

fn trust(reader: &mut Reader, section: &mut Section) -> Option<TrustConfigMap> {
    let mut reference = reader.subsection(section, "trustConfigMap")?;
    let name = reader.required(&mut reference, "name", "the ConfigMap's name");
    let key: Option<CertificateName> =
        reader.required(&mut reference, "key", "the ConfigMap's key, such as ca.crt");
    if let Some(key) = key.as_ref().filter(|key| key.as_str().contains('/')) {
        let rejected = InvalidValue::expected("a ConfigMap's key, which has no /");
        reader.errors.push(rejected.at(reference.path_of("key"), key.as_str()));
    }
    reader.reject_rest(reference);
    Some(TrustConfigMap { name: name?, key: key? })
}

/// The settings of [`PROFILE_ONLY`], read as the sidecar reads them.
fn profile_only(
    reader: &mut Reader,
    section: &mut Section,
) -> (Vec<(&'static str, String)>, Option<Box<Settings>>) {
    let mut only = Vec::new();
    for ProfileOnly { key, .. } in PROFILE_ONLY {
        let text = reader.parsed_with(section, key, |text| Ok(text.to_owned()));
        only.extend(text.map(|text| (*key, text)));
    }
    if only.is_empty() {
        return (only, None);
    }
    let text_of = |variable: &str| {
        let setting = PROFILE_ONLY.iter().find(|setting| setting.variable == variable)?;
        only.iter().find(|(key, _)| *key == setting.key).map(|(_, text)| text.clone())
    };
    let lookup = |variable: &str| text_of(variable).or_else(|| placeholder(variable));
    let settings = match Settings::from_env(lookup) {
        Ok(settings) => settings,
        Err(errors) => {
            let errors = errors.into_iter().map(|error| named_by_key(error, section));
            reader.errors.extend(errors);
            return (only, None);
        }
    };
    reader.errors.extend(proxy_error(&settings, section));
    (only, Some(Box::new(settings)))
}

/// Placeholders that the sidecar's parser requires, and a profile does not: an
/// application, because it alone has a certificate whose chain may be sent.
fn placeholder(variable: &str) -> Option<String> {
    const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
    let text = match variable {
        env::INGESTION_URL => "https://placeholder.metrics.ingest.monitor.azure.com/",
        env::IDENTITY_TYPE => "aadApplication",
        env::AZURE_CLIENT_ID | env::AZURE_TENANT_ID => NOBODY,
        env::AZURE_CLIENT_CERTIFICATE_PATH => "/placeholder",
        _ => return None,
    };
    Some(text.to_owned())
}

/// An error of a variable as one of the key that it was read from.
fn named_by_key(error: SettingError, section: &Section) -> SettingError {
    let setting = PROFILE_ONLY.iter().find(|setting| setting.variable == error.name);
    let name = setting.map(|setting| section.path_of(setting.key));
    SettingError { name: name.unwrap_or(error.name), ..error }
}

/// A proxy with a password is refused: it would be in every pod, where everyone who may
/// read pods can read it.
fn proxy_error(settings: &Settings, section: &Section) -> Option<SettingError> {
    let address = settings.proxy.as_ref()?.address();
    if address.username().is_empty() && address.password().is_none() {
        return None;
    }
    let rejected = InvalidValue::expected(
        "a proxy's address without user and password, which every pod would show",
    );
    Some(rejected.at(section.path_of("httpsProxy"), "…"))
}
