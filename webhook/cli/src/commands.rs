//! One function a command: from its arguments to its exit status. Their logic is in the
//! library; here it meets files, standard streams and clusters.

mod fleet;
mod kubeconfig;
mod migration;
mod streams;

use std::process::ExitCode;

use cli::{
    manifests::{
        self,
        explain::{self, Explanation},
    },
    needs::lookup,
    policy::{self, Options},
    validate,
};
use contract::names::EXIT_CONFIGURATION;
use webhook::config::{self, ConfigFile};

use crate::arguments::{Explain, Manifests, PolicyArguments, Validate};
use streams::{CommandError, exit_code, name, read, say, text, write};

pub(crate) use fleet::{check, status};
pub(crate) use migration::migrate;

/// Writes the manifests with sidecars, or nothing at all.
pub(crate) fn inject(arguments: &Manifests) -> ExitCode {
    exit_code(read(arguments).and_then(|(config, text)| {
        let injected = manifests::inject(&config, &text).map_err(|source| {
            CommandError::Manifests { file: name(&arguments.filename), source }
        })?;
        for outcome in &injected.outcomes {
            say(outcome);
        }
        if injected.has_denials() {
            return Ok(ExitCode::FAILURE);
        }
        if !manifests::has_pods(&text) {
            say(&manifests::without_pods(&text));
            return Ok(ExitCode::FAILURE);
        }
        write(&injected.text)?;
        Ok(ExitCode::SUCCESS)
    }))
}

/// Writes what would happen to each pod, and why.
pub(crate) fn explain(arguments: &Explain) -> ExitCode {
    let files = &arguments.manifests;
    exit_code(read(files).and_then(|(config, text)| {
        let mut explained = explain::explain(&config, &text)
            .map_err(|source| CommandError::Manifests { file: name(&files.filename), source })?;
        if arguments.cluster {
            ask_cluster(&mut explained, arguments.namespace.as_deref())?;
        }
        let texts: Vec<String> = explained.iter().map(ToString::to_string).collect();
        write(&texts.join("\n"))?;
        if texts.is_empty() {
            say(&manifests::without_pods(&text));
        }
        let bad = texts.is_empty() || explained.iter().any(Explanation::is_bad);
        Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }))
}

/// Fills in what the cluster of the kubeconfig has.
fn ask_cluster(explained: &mut [Explanation], namespace: Option<&str>) -> Result<(), CommandError> {
    let asked = kubeconfig::with_client(None, async |client| {
        for one in explained {
            let usual = namespace.unwrap_or_else(|| client.default_namespace());
            let namespace = one.namespace.as_deref().unwrap_or(usual);
            one.findings = lookup::look(&client, namespace, &one.needs).await;
        }
        Ok(())
    });
    asked.map_err(|unread| CommandError::Refused(unread.reason))
}

/// The chart's schema is stricter than what reads the configuration: it knows
/// one spelling of each word, and no texts for numbers.
const HELM_CHECKS: &str = "note: only config was validated; Helm also validates the spelling in it (userAssigned, not USERASSIGNED; 8081, not '8081') and all other values: run helm template";

/// Reports whether the configuration can be used.
pub(crate) fn validate(arguments: &Validate) -> ExitCode {
    exit_code(text(&arguments.config).and_then(|text| {
        let file = ConfigFile::parse(&text)
            .map_err(|errors| CommandError::Config { file: name(&arguments.config), errors })?;
        let contradictions = validate::contradictions(&file.config);
        for (profile, line) in &contradictions {
            say(&format!("{}: profiles.{profile}: {line}", name(&arguments.config)));
        }
        let warnings = validate::without_effect(&file.config).into_iter();
        let warnings = warnings.chain(validate::incomplete(&file.config));
        for line in warnings.chain(validate::short_of_memory(&file.config)) {
            say(&format!("{}: warning: {line}", name(&arguments.config)));
        }
        if !contradictions.is_empty() {
            return Ok(ExitCode::from(EXIT_CONFIGURATION));
        }
        let profiles: Vec<&str> = file.config.profiles.keys().map(String::as_str).collect();
        let profiles = if profiles.is_empty() { "none".to_owned() } else { profiles.join(", ") };
        write(&format!("{}: ok; profiles: {profiles}\n", name(&arguments.config)))?;
        if file.is_values {
            say(&HELM_CHECKS);
        }
        Ok(ExitCode::SUCCESS)
    }))
}

/// Writes policies that do the webhook's work, or nothing at all.
pub(crate) fn policy(arguments: &PolicyArguments) -> ExitCode {
    let PolicyArguments { config, profiles, namespace } = arguments;
    exit_code(text(config).and_then(|text| {
        let options = Options { profiles: profiles.clone(), namespace: namespace.clone() };
        let policies = policy::policy(&text, &options)
            .map_err(|errors| CommandError::Config { file: name(config), errors })?;
        write(&policies).map(|()| ExitCode::SUCCESS)
    }))
}

/// Writes the schema, as it is shipped.
pub(crate) fn schema() -> ExitCode {
    exit_code(write(&format!("{:#}\n", config::schema())).map(|()| ExitCode::SUCCESS))
}
