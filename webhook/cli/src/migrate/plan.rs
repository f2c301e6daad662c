//! What takes the place of each source of a site: its settings, and the profile that
//! says them. The first is the sidecar's and its unnamed destination's; each further one
//! is a destination that is named after its profile.

use std::collections::BTreeMap;

use contract::{Settings, names::WRITE_PATH};
use serde_json::Value;
use webhook::inject::ASKS_FOR_BINDING;

use super::{
    OrReasons,
    files::{self, Files},
    new_profiles::{NewProfile, Profiles},
    source::{Program, Source},
    variables,
};
use crate::{identity_webhook, loopback, tree::at, workloads::sites::Site};

/// What takes the place of a source.
pub(super) struct Plan<'a> {
    pub(super) source: &'a Source,
    pub(super) settings: Settings,
    pub(super) profile: NewProfile,
    /// The profile's name.
    pub(super) name: String,
    /// Whether no source before has the same profile.
    pub(super) is_first: bool,
    pub(super) files: Files,
    /// Variables that azure-workload-identity's webhook provides.
    pub(super) elsewhere: Vec<&'static str>,
    /// Where Prometheus has to write what is for it.
    pub(super) url: String,
}

impl Plan<'_> {
    /// The entries of remote write that are for it.
    pub(super) fn writes<'b>(
        &self,
        site: &Site<'b>,
    ) -> impl Iterator<Item = (Vec<String>, &'b Value)> {
        let (source, port) = (self.source, self.settings.listening_port.get());
        let leads = move |entry: &Value| {
            let url = entry.get("url").and_then(Value::as_str).and_then(loopback::parse);
            source.program != Program::Native && url.is_some_and(|url| url.port == port)
        };
        site.writes().filter(move |(path, entry)| *path == source.path || leads(entry))
    }

    /// Whether an entry of remote write has this URL.
    pub(super) fn is_written_by(&self, entry: &Value) -> bool {
        let url = entry.get("url").and_then(Value::as_str).unwrap_or_default();
        loopback::parse(url) == loopback::parse(&self.url)
    }
}

/// What takes the place of `sources`, all of them at `site`.
///
/// # Errors
/// Why nothing can: one sentence each.
pub(super) fn plans<'a>(
    site: &Site<'_>,
    sources: &'a [Source],
    profiles: &Profiles,
) -> OrReasons<Vec<Plan<'a>>> {
    let (mut plans, mut reasons) = (Vec::<Plan<'a>>::new(), Vec::new());
    for source in sources {
        match plan(site, source, profiles, &plans) {
            Ok(plan) => plans.push(plan),
            Err(more) => {
                reasons.extend(more.iter().map(|reason| format!("{}: {reason}", source.name())));
            }
        }
    }
    if reasons.is_empty() { Ok(plans) } else { Err(reasons) }
}

/// The profile that says what `source` says at `site`, after those `before`.
fn plan<'a>(
    site: &Site<'_>,
    source: &'a Source,
    profiles: &Profiles,
    before: &[Plan<'_>],
) -> OrReasons<Plan<'a>> {
    let mut variables = source.variables(site)?;
    let label = site.label(identity_webhook::LABEL);
    let asks = site.annotation(ASKS_FOR_BINDING).and_then(Value::as_str);
    let is_bound = identity_webhook::asks_for_binding(asks);
    let elsewhere = identity_webhook::add(&mut variables, label, site.account, is_bound);
    variables::filled_in(&variables)?;
    let usable = |name: &str| variables.get(name).map(|text| variables::usable(name, text));
    let settings = Settings::from_env(usable)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let mut files = files::of(site, &source.value, &settings)?;
    let amounts = amounts(&source.value, &mut files.lost);
    let more = files.keys.iter().cloned().chain(amounts).collect();
    let profile = NewProfile::new(&settings, &variables, &elsewhere, more);
    let port = settings.listening_port;
    let Some(first) = before.first() else {
        let name = profiles.name_of(&profile, site, &[], None);
        let url = format!("http://localhost:{port}{WRITE_PATH}");
        return Ok(Plan { source, settings, profile, name, is_first: true, files, elsewhere, url });
    };
    let both = |it: &Plan<'_>| [it.source, source].iter().all(|it| it.program != Program::Native);
    let rival = before.iter().find(|it| it.settings.listening_port == port && both(it));
    if let Some(rival) = rival.map(|it| it.source.name()) {
        return Err(vec![format!("{rival} listens on port {port}, too: give each its own")]);
    }
    let profile = profile.of_destination();
    // Two paths to one workspace are one destination.
    let same = before.iter().find(|plan| plan.profile.of_destination() == profile);
    let (name, url, profile) = if let Some(Plan { name, url, profile, .. }) = same {
        (name.clone(), url.clone(), profile.clone())
    } else {
        let others: Vec<&str> = before.iter().map(|plan| plan.name.as_str()).collect();
        let label = source.value.get("name").and_then(Value::as_str);
        let name = profiles.name_of(&profile, site, &others, label);
        let url = format!("http://localhost:{}/{name}{WRITE_PATH}", first.settings.listening_port);
        (name, url, profile)
    };
    let is_first = same.is_none();
    Ok(Plan { source, settings, profile, name, is_first, files, elsewhere, url })
}

/// The amounts as keys of a profile; those that it cannot say are `lost`. A request that is
/// not written is the limit, as Kubernetes has it.
fn amounts(container: &Value, lost: &mut Vec<String>) -> BTreeMap<&'static str, Value> {
    let mut keys = BTreeMap::new();
    for list in ["limits", "requests"] {
        let amounts = at(container, &["resources", list]).and_then(Value::as_object);
        for (name, amount) in amounts.into_iter().flatten() {
            let of_profile: &[_] = match (name.as_str(), list) {
                ("cpu", "limits") => &["cpuRequest", "cpuLimit"],
                ("memory", "limits") => &["memoryRequest", "memoryLimit"],
                ("cpu", _) => &["cpuRequest"],
                ("memory", _) => &["memoryRequest"],
                _ => &[],
            };
            let text = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
            keys.extend(of_profile.iter().map(|key| (*key, text.clone().into())));
            let words = || format!("resources.{list}.{name}: {amount}: a profile cannot have it");
            lost.extend(of_profile.is_empty().then(words));
        }
    }
    keys
}
