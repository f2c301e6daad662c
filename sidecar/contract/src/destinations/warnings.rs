//! Warnings about the environment of several destinations, which is valid all the same.

use super::{
    Destinations,
    read::{DestinationsReader, is_set},
};
use crate::{
    Cloud, DESTINATION_VARIABLES, Destination, DestinationName, InvalidValue, names::env,
    suggest::closest,
};

/// What the webhook of azure-workload-identity writes into containers.
const AZURES: [&str; 4] = [
    env::AZURE_CLIENT_ID,
    env::AZURE_TENANT_ID,
    env::AZURE_FEDERATED_TOKEN_FILE,
    env::AZURE_AUTHORITY_HOST,
];

/// A name that differs in so many letters may be misspelt,
const MAX_MISSPELT: usize = 2;
/// if it is so long: `HTTP_PROXY` is no `HTTPS_PROXY`.
const MIN_MISSPELT: usize = 12;

impl DestinationsReader {
    /// `CLOUD` is everybody's word: a platform's `CLOUD_PROVIDER` is no error. It is
    /// doubted where it looks like ours.
    pub(super) fn warn_of_cloud(
        &self,
        value: &str,
        suffix: &str,
        suggestion: Option<String>,
    ) -> Option<String> {
        let is_ours = suggestion.is_some() || value.trim().parse::<Cloud>().is_ok();
        let meant = suggestion.map(|other| format!(" (did you mean {other}?)"));
        let (cloud, url, meant) = (env::CLOUD, env::INGESTION_URL, meant.unwrap_or_default());
        (is_ours && !self.names.is_empty()).then(|| {
            format!("{cloud}{suffix} is ignored, because there is no {url}{suffix}{meant}")
        })
    }

    /// Variables that are set where no destination looks for them.
    pub(super) fn ignored(&mut self) {
        let is_set = |name: &str| is_set(&self.variables, name);
        for name in DESTINATION_VARIABLES.iter().filter(|name| !self.has_unnamed && is_set(name)) {
            // Azure's own webhook sets these in every container.
            if !AZURES.contains(name) {
                let own: Vec<String> = self.names.iter().map(|one| one.variable(name)).collect();
                self.warnings.push(format!(
                    "{name} is ignored, because every destination has a name: set {}",
                    own.join(" or ")
                ));
            }
        }
        for one in &self.names {
            let names = env::ALL.iter().map(|variable| variable.name);
            let shared = names.filter(|name| !DESTINATION_VARIABLES.contains(name));
            for variable in shared.filter(|name| is_set(&one.variable(name))) {
                self.warnings.push(format!(
                    "{} is ignored: {variable} is the same for all destinations",
                    one.variable(variable)
                ));
            }
        }
    }

    /// Names that differ in a letter or two from a variable's: such a setting has no effect.
    pub(super) fn warn_of_misspelt(&mut self) {
        let long = || env::ALL.iter().map(|one| one.name).filter(|name| name.len() >= MIN_MISSPELT);
        for name in self.variables.keys().filter(|name| is_set(&self.variables, name)) {
            // With or without a destination's suffix.
            let is_suffix = |rest: &str| rest.is_empty() || rest.starts_with('_');
            let mut known = env::ALL.iter().filter_map(|known| name.strip_prefix(known.name));
            let is_known = known.any(is_suffix);
            let meant = closest(name, long(), |_| MAX_MISSPELT);
            if let Some(meant) = meant.filter(|_| !is_known) {
                self.warnings.push(format!("{name} is ignored: did you mean {meant}?"));
            }
        }
    }

    /// Two destinations with one URL are most often an error of copying.
    pub(super) fn warn_of_twins(&mut self, found: &Destinations) {
        let all: Vec<&Destination> = found.iter().collect();
        for (index, one) in all.iter().enumerate() {
            let is_twin =
                |other: &&&Destination| other.settings.ingestion_url == one.settings.ingestion_url;
            if let Some(other) = all.iter().take(index).find(is_twin) {
                self.warnings.push(format!(
                    "{} is the same as {}: samples of both go to one data collection rule",
                    variable_of(one, env::INGESTION_URL),
                    variable_of(other, env::INGESTION_URL)
                ));
            }
        }
    }

    /// Each cloud has its own audience.
    pub(super) fn warn_of_audience(&mut self, name: &DestinationName) {
        let own = |variable| is_set(&self.variables, &name.variable(variable));
        if self.has_unnamed
            && own(env::CLOUD)
            && !own(env::INGESTION_AAD_AUDIENCE)
            && is_set(&self.variables, env::INGESTION_AAD_AUDIENCE)
        {
            self.warnings.push(format!(
                "{} is set and {} is not: the audience is that of {}",
                name.variable(env::CLOUD),
                name.variable(env::INGESTION_AAD_AUDIENCE),
                env::INGESTION_AAD_AUDIENCE
            ));
        }
    }

    /// A batch must fit into its destination's share. The default gives way; a value
    /// that was set does not.
    pub(super) fn check_share(&mut self, found: &Destinations) {
        let (limits, count) = (found.sidecar().limits, found.len());
        let share = found.limits().max_in_flight;
        if count == 1
            || limits.max_request <= share
            || !is_set(&self.variables, env::MAX_REQUEST_BYTES)
        {
            return;
        }
        let expected = format!(
            "at most {share}, the share of {}={} that each of {count} destinations has: raise that, too, together with the container's memory limit",
            env::MAX_IN_FLIGHT_BYTES,
            limits.max_in_flight
        );
        let rejected = InvalidValue::expected(expected);
        self.errors.push(rejected.at(env::MAX_REQUEST_BYTES, limits.max_request.to_string()));
    }
}

fn variable_of(destination: &Destination, variable: &str) -> String {
    let name = destination.name.as_ref();
    name.map_or_else(|| variable.to_owned(), |name| name.variable(variable))
}
