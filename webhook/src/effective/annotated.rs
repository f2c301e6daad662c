//! The settings of a pod's annotations: as far as they are valid and allowed.

use std::collections::BTreeSet;

use contract::{
    InvalidValue, Key, Overrides, SettingError,
    annotations::{self, Annotations, PREFIX},
};

use super::annotation;
use crate::{
    config::{HostRule, Policy},
    pod::Pod,
};

/// The annotations that can be read, and the errors in the others: other errors are then
/// found at the same time.
pub(super) fn readable(pod: Pod<'_>) -> (Annotations, Vec<SettingError>) {
    let errors = match annotations::parse(pod.annotations()) {
        Ok(annotations) => return (annotations, Vec::new()),
        Err(errors) => errors,
    };
    let bad: BTreeSet<&str> = errors.iter().map(|error| error.name.as_str()).collect();
    let good = pod.annotations().filter(|(name, _)| !bad.contains(name));
    (annotations::parse(good).unwrap_or_default(), errors)
}

/// Whether a correction of the unreadable annotations could provide `missing`: it
/// is one of them, or what one of them is a misspelling of, or depends on one.
pub(super) fn could_provide(unreadable: &[SettingError], missing: &str) -> bool {
    let certificate = [Key::CertificateSecret, Key::SecretProviderClass, Key::CertificateName];
    let cloud = [Key::Cloud, Key::Audience];
    let is_one_of = |keys: &[Key], name: &str| keys.iter().any(|key| annotation(*key) == name);
    unreadable.iter().any(|error| {
        let meant = error.suggestion.as_deref().filter(|name| name.starts_with(PREFIX));
        let names = std::iter::once(error.name.as_str()).chain(meant);
        names.into_iter().any(|name| {
            name == missing
                || (is_one_of(&certificate, name) && is_one_of(&certificate, missing))
                || (is_one_of(&cloud, name) && is_one_of(&cloud, missing))
        })
    })
}

/// Settings that the policy does not allow to pods.
pub(super) fn policy_errors(policy: &Policy, overrides: &Overrides) -> Vec<SettingError> {
    let mut errors = Vec::new();
    for key in Key::ALL.iter().filter(|key| !policy.overridable.contains(key)) {
        if let Some(value) = overrides.get(*key) {
            let names: Vec<&str> = policy.overridable.iter().map(|key| key.annotation()).collect();
            let expected = format!(
                "no such annotation: the webhook's policy lets pods set {}",
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            );
            errors.push(InvalidValue::expected(expected).at(annotation(*key), key.shown(&value)));
        }
    }
    let url = overrides.ingestion_url.as_ref().filter(|url| !policy.allows(url));
    if let (Some(url), true) = (url, policy.overridable.contains(&Key::IngestionUrl)) {
        let hosts: Vec<&str> = policy.ingestion_hosts.iter().map(HostRule::as_str).collect();
        let expected = format!(
            "a host that the webhook's policy lets pods send to: {}",
            if hosts.is_empty() { "none".to_owned() } else { hosts.join(", ") }
        );
        let name = annotation(Key::IngestionUrl);
        errors.push(InvalidValue::expected(expected).at(name, url.to_string()));
    }
    errors
}
