//! Injection without a webhook: a `MutatingAdmissionPolicy` for each profile, and a
//! `ValidatingAdmissionPolicy` that refuses pods for which that is not enough.
//!
//! ```text
//! model       what the webhook adds to pods of a profile: it is asked for it
//! conditions  what of a pod both policies look at
//! mutation    the policy that injects: the model, where a pod has no other conditions
//! denial      the policy that refuses, and the one that warns
//! objects     both with their bindings and parameters, as YAML
//! cel         texts of CEL
//! ```

mod cel;
mod conditions;
mod denial;
mod model;
mod mutation;
mod objects;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use contract::{InvalidValue, SettingError, annotations::INJECTED, did_you_mean};
use serde_json::Value;
use webhook::{
    config::{Config, ConfigFile},
    pod::Pod,
};

use crate::yaml;
use model::Model;
use objects::Scope;

/// Where the parameters are, unless another namespace is named.
pub const NAMESPACE: &str = "prom-remotewrite";

/// The mark of a policy in the annotation of an injected pod.
const MARK: &str = "by=policy";

/// Whether a policy injected the pod's sidecar.
pub(crate) fn is_by_policy(pod: Pod<'_>) -> bool {
    pod.annotation(INJECTED).is_some_and(|text| text.split(' ').any(|word| word == MARK))
}

/// The hash of the settings that a pod gets by these parameters, which depends on its
/// grace period.
pub(crate) fn settings(parameters: &Value, pod: Pod<'_>) -> String {
    let data = parameters.pointer("/data/gracePeriods").and_then(Value::as_str);
    let lines: Vec<&str> = data.unwrap_or_default().lines().collect();
    let grace = usize::try_from(pod.grace_seconds()).unwrap_or(usize::MAX);
    let line = lines.get(grace).or(lines.last()).copied().unwrap_or_default();
    line.rsplit(' ').next().unwrap_or_default().to_owned()
}

/// Warnings for the command line.
#[derive(Debug, Default)]
pub struct Options {
    /// Only these profiles; all if none is named.
    pub profiles: Vec<String>,
    /// An existing namespace for the parameters, instead of [`NAMESPACE`], which is
    /// printed as well.
    pub namespace: Option<String>,
}

/// The objects for the configuration, or values of the chart, in `text`: YAML that
/// `kubectl apply` takes.
///
/// # Errors
/// Every error in it; profiles that do not exist; profiles that are incomplete.
pub fn policy(text: &str, options: &Options) -> Result<String, Vec<SettingError>> {
    let file = ConfigFile::parse(text)?;
    let values = yaml::read(text).unwrap_or_default();
    let scope = Scope::new(&file, &values, options.namespace.as_deref());
    let models = models(&file.config, options)?;
    let mut objects = scope.namespace().into_iter().collect::<Vec<_>>();
    for (name, model) in &models {
        objects.extend(scope.injecting(&file.config, name, model));
    }
    let ports = models.iter().map(|(name, model)| (*name, model.port())).collect();
    objects.extend(scope.validating(&file.config, &ports));
    Ok(objects::yaml(&objects))
}

/// The models of the profiles that are asked for.
fn models<'a>(
    config: &'a Config,
    options: &Options,
) -> Result<BTreeMap<&'a str, Model>, Vec<SettingError>> {
    let known = || config.profiles.keys().map(String::as_str);
    if config.profiles.is_empty() {
        let expected =
            "at least one: without a webhook, all settings of a pod come from its profile";
        return Err(vec![SettingError::missing("profiles", expected)]);
    }
    let (mut models, mut errors) = (BTreeMap::new(), Vec::new());
    for name in &options.profiles {
        if !config.profiles.contains_key(name) {
            let expected = format!(
                "a profile of the configuration: {}",
                known().collect::<Vec<_>>().join(", ")
            );
            let suggestion = did_you_mean(name, known());
            errors.push(InvalidValue { expected, suggestion }.at("--profile", name));
        }
    }
    let is_expected =
        |name: &&str| options.profiles.is_empty() || options.profiles.iter().any(|one| one == name);
    for name in known().filter(is_expected) {
        if let Err(expected) = crate::validate::profile_name(name) {
            let expected = expected.trim_start_matches("expected ").to_owned();
            errors.push(InvalidValue::expected(expected).at("profiles", name));
            continue;
        }
        let same = |other: &&&str| objects::name(other) == objects::name(name);
        if let Some(other) = models.keys().find(same) {
            let expected = format!(
                "a name that differs from {other:?} in more than capitals and _, because objects are named after it"
            );
            errors.push(InvalidValue::expected(expected).at("profiles", name));
            continue;
        }
        match Model::new(config, name) {
            Ok(model) => drop(models.insert(name, model)),
            Err(more) => errors.extend(more),
        }
    }
    if errors.is_empty() { Ok(models) } else { Err(errors) }
}
