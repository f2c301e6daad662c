//! The environment of several destinations, read.

use std::collections::BTreeMap;

use super::{Destinations, links::is_service_link};
use crate::{
    DESTINATION_VARIABLES, Destination, DestinationName, InvalidValue, MAX_DESTINATIONS,
    SettingError, Settings, TokenProxy, did_you_mean, names::env, without_userinfo,
};

/// The first variables are not taken from the unnamed destination where one of the second
/// is set for the destination itself: another name for the same, or what they belong to.
const REPLACED_BY: [(&[&str], &[&str]); 4] = [
    (
        &[
            env::AZURE_CLIENT_CERTIFICATE_PATH,
            env::MDM_CERT_PATH,
            env::AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE,
        ],
        &[env::AZURE_CLIENT_CERTIFICATE_PATH, env::MDM_CERT_PATH],
    ),
    (
        &[env::AZURE_AUTHORITY_HOST, env::AAD_HOST_ENDPOINT],
        &[env::AZURE_AUTHORITY_HOST, env::AAD_HOST_ENDPOINT],
    ),
    // A service account token is made for Entra or for a proxy, never for both.
    (&TokenProxy::VARIABLES, &[env::AZURE_KUBERNETES_TOKEN_PROXY, env::AZURE_FEDERATED_TOKEN_FILE]),
    (
        &[env::AZURE_KUBERNETES_CA_FILE, env::AZURE_KUBERNETES_CA_DATA],
        &[env::AZURE_KUBERNETES_CA_FILE, env::AZURE_KUBERNETES_CA_DATA],
    ),
];

/// Reads every destination, so that every error is found.
pub(super) fn read(
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Destinations, Vec<SettingError>> {
    let mut reader = DestinationsReader::new(variables);
    let destinations = reader.destinations();
    match destinations {
        Some(destinations) if reader.errors.is_empty() => Ok(destinations),
        _ => Err(reader.errors),
    }
}

pub(super) struct DestinationsReader {
    /// All, empty ones too: an empty `HTTPS_PROXY` goes before `https_proxy`.
    pub(super) variables: BTreeMap<String, String>,
    /// Whether there is an unnamed destination, from which others take what they
    /// do not set.
    pub(super) has_unnamed: bool,
    pub(super) names: Vec<DestinationName>,
    pub(super) errors: Vec<SettingError>,
    pub(super) warnings: Vec<String>,
}

impl DestinationsReader {
    fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut known = BTreeMap::new();
        for (name, value) in variables {
            // As everywhere, the first of two with the same name counts.
            known.entry(name).or_insert(value);
        }
        let (names, errors) = names(&known);
        // `IDENTITY_TYPE` is set for a destination alone, so that one is meant.
        let is_meant =
            [env::INGESTION_URL, env::IDENTITY_TYPE].iter().any(|name| is_set(&known, name));
        let has_unnamed = names.is_empty() || is_meant;
        Self { variables: known, has_unnamed, names, errors, warnings: Vec::new() }
    }

    fn destinations(&mut self) -> Option<Destinations> {
        let mut all: Vec<Option<Destination>> = Vec::new();
        if self.has_unnamed {
            let settings = Settings::from_env(|name| self.variables.get(name).cloned());
            let settings = settings.map_err(|errors| self.errors.extend(errors)).ok();
            all.push(settings.map(|settings| Destination { name: None, settings }));
        }
        for name in self.names.clone() {
            all.push(self.named(name));
        }
        self.count();
        self.strays();
        self.ignored();
        self.warn_of_misspelt();
        let mut all = all.into_iter().collect::<Option<Vec<_>>>()?.into_iter();
        let found =
            Destinations { first: all.next()?, others: all.collect(), warnings: Vec::new() };
        self.check_share(&found);
        self.warn_of_twins(&found);
        Some(Destinations { warnings: std::mem::take(&mut self.warnings), ..found })
    }

    fn named(&mut self, name: DestinationName) -> Option<Destination> {
        match Settings::from_env(|variable| self.value(&name, variable)) {
            Ok(settings) => {
                self.warn_of_audience(&name);
                Some(Destination { name: Some(name), settings })
            }
            Err(errors) => {
                for error in errors {
                    self.note(&name, error);
                }
                None
            }
        }
    }

    /// The destination's own value, or what it takes over.
    fn value(&self, name: &DestinationName, variable: &str) -> Option<String> {
        let shared = || self.variables.get(variable).cloned();
        if !DESTINATION_VARIABLES.contains(&variable) {
            return shared();
        }
        let own = |variable: &str| set(&self.variables, &name.variable(variable)).cloned();
        let replaced = REPLACED_BY.iter().filter(|(known, _)| known.contains(&variable));
        let is_replaced = replaced.flat_map(|(_, by)| *by).any(|by| own(by).is_some());
        own(variable).or_else(|| shared().filter(|_| self.has_unnamed && !is_replaced))
    }

    /// Takes down an error at the variable in which it was found, once for all
    /// destinations that take it over.
    fn note(&mut self, name: &DestinationName, error: SettingError) {
        let is_own = DESTINATION_VARIABLES.contains(&error.name.as_str())
            && (error.value.is_none() || is_set(&self.variables, &name.variable(&error.name)));
        let is_known = self.errors.iter().any(|known| {
            known.name == error.name && (!is_own || (self.has_unnamed && known.value.is_none()))
        });
        if !is_known {
            let at = if is_own { name.variable(&error.name) } else { error.name };
            self.errors.push(SettingError { name: at, ..error });
        }
    }

    fn count(&mut self) {
        let count = self.names.len() + usize::from(self.has_unnamed);
        let Some(last) = self.names.last().filter(|_| count > MAX_DESTINATIONS) else { return };
        let variable = last.variable(env::INGESTION_URL);
        let value = self.variables.get(&variable).map(String::as_str).unwrap_or_default();
        let rejected =
            InvalidValue::expected(format!("at most {MAX_DESTINATIONS} destinations, not {count}"));
        self.errors.push(rejected.at(&variable, without_userinfo(value)));
    }

    /// Variables of destinations that there are not.
    fn strays(&mut self) {
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        for (variable, value) in &self.variables {
            let Some((base, suffix)) = split(variable) else { continue };
            let name = DestinationName::of_suffix(suffix);
            if base == env::INGESTION_URL
                || !is_set(&self.variables, variable)
                || name.is_some_and(|name| self.names.contains(&name))
                || is_service_link(variable, &self.variables)
            {
                continue;
            }
            let known: Vec<String> = self.names.iter().map(|name| name.variable(base)).collect();
            let suggestion = did_you_mean(variable, known.iter().map(String::as_str));
            if base == env::CLOUD {
                warnings.extend(self.warn_of_cloud(value, suffix, suggestion));
                continue;
            }
            let expected = format!(
                "{}{suffix} as well, because a destination needs an ingestion URL",
                env::INGESTION_URL
            );
            let value = Some(without_userinfo(value).into_owned());
            errors.push(SettingError { name: variable.clone(), value, expected, suggestion });
        }
        self.errors.extend(errors);
        self.warnings.extend(warnings);
    }
}

/// The names of destinations, and the suffixes that are none.
fn names(variables: &BTreeMap<String, String>) -> (Vec<DestinationName>, Vec<SettingError>) {
    let (mut names, mut errors) = (Vec::new(), Vec::new());
    for (variable, value) in variables {
        let Some((env::INGESTION_URL, suffix)) = split(variable) else { continue };
        if !is_set(variables, variable) || is_service_link(variable, variables) {
            continue;
        }
        if let Some(name) = DestinationName::of_suffix(suffix) {
            names.push(name);
            continue;
        }
        let upper = suffix.replace('-', "_").to_ascii_uppercase();
        let name = DestinationName::of_suffix(&upper);
        errors.push(SettingError {
            name: variable.clone(),
            value: Some(without_userinfo(value).into_owned()),
            expected: format!(
                "{}_NAME, with a name of at most 63 upper case letters, digits and _ between them",
                env::INGESTION_URL
            ),
            suggestion: name.map(|name| name.variable(env::INGESTION_URL)),
        });
    }
    names.sort();
    (names, errors)
}

/// A variable that says something.
fn set<'a>(variables: &'a BTreeMap<String, String>, name: &str) -> Option<&'a String> {
    variables.get(name).filter(|value| !value.trim().is_empty())
}

pub(super) fn is_set(variables: &BTreeMap<String, String>, name: &str) -> bool {
    set(variables, name).is_some()
}

/// A variable of a destination and the suffix behind it.
fn split(variable: &str) -> Option<(&'static str, &str)> {
    DESTINATION_VARIABLES.into_iter().find_map(|base| {
        let suffix = variable.strip_prefix(base)?;
        suffix.starts_with('_').then_some((base, suffix))
    })
}
