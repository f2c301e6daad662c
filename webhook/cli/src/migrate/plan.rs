//! What takes the place of each source of a site: its settings, and the profile that
//! says them. The first is the sidecar's and its unnamed destination's; each further one
//! is a destination that is named after its profile.

use contract::{
    Settings,
    names::{WRITE_PATH, env},
};
use serde_json::Value;
use webhook::inject::ASKS_FOR_BINDING;

use super::{
    OrReasons,
    files::{self, Files},
    placeholder,
    profile::{NewProfile, Profiles},
    source::{Program, Source},
};
use crate::{identity_webhook, loopback, tree::at, workloads::sites::Site};

/// What takes the place of a source.
pub(super) struct Plan<'a> {
    pub(super) source: &'a Source,
    pub(super) settings: Settings,
    pub(super) profile: NewProfile,
    /// The profile's name.
    pub(super) name: String,
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
        let port = self.settings.listening_port.get();
        let is_native = self.source.program == Program::Native;
        let leads = move |entry: &Value| {
            let url = entry.get("url").and_then(Value::as_str).and_then(loopback::parse);
            !is_native && url.is_some_and(|url| url.port == port)
        };
        site.writes().filter(move |(path, entry)| *path == self.source.path || leads(entry))
    }

    /// Whether an entry of remote write has this URL.
    pub(super) fn is_written_by(&self, entry: &Value) -> bool {
        let url = entry.get("url").and_then(Value::as_str).unwrap_or_default();
        loopback::parse(url) == loopback::parse(&self.url)
    }

    /// Whether the place is another than before.
    pub(super) fn is_moved(&self) -> bool {
        self.url != format!("http://localhost:{}{WRITE_PATH}", self.settings.listening_port)
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
        match plan(site, (source, sources), profiles, &plans) {
            Ok(plan) => plans.push(plan),
            Err(more) => reasons.extend(more.into_iter().map(|reason| match sources {
                [_] => reason,
                _ => format!("{}: {reason}", source.name()),
            })),
        }
    }
    if reasons.is_empty() { Ok(plans) } else { Err(reasons) }
}

/// The names of the profiles, each once.
pub(super) fn names<'a>(plans: &'a [Plan<'_>]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for Plan { name, .. } in plans {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

/// The profile that says what `source` says at `site`, after those `before`.
fn plan<'a>(
    site: &Site<'_>,
    (source, all): (&'a Source, &[Source]),
    profiles: &Profiles,
    before: &[Plan<'_>],
) -> OrReasons<Plan<'a>> {
    let mut given = source.variables(site)?;
    let label = site.label(identity_webhook::LABEL);
    let asks = site.annotation(ASKS_FOR_BINDING).and_then(Value::as_str);
    let is_bound = identity_webhook::asks_for_binding(asks);
    let elsewhere = identity_webhook::add(&mut given, label, site.account, is_bound);
    let open: Vec<String> =
        given.iter().filter_map(|(name, text)| placeholder::unusable(name, text)).collect();
    if !open.is_empty() {
        return Err(open);
    }
    let lookup = |name: &str| given.get(name).map(|text| placeholder::usable(name, text));
    let settings = Settings::from_env(lookup)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let certificate = given.get(env::AZURE_CLIENT_CERTIFICATE_PATH);
    let certificate = certificate.or_else(|| given.get(env::MDM_CERT_PATH));
    let mut files = files::of(site, (source, all), &settings, certificate)?;
    let (amounts, lost) = amounts(&source.value);
    files.lost.extend(lost);
    let more = files.keys.iter().cloned().chain(amounts).collect();
    let profile = NewProfile::new(&settings, &given, &elsewhere, more);
    let port = settings.listening_port;
    let Some(first) = before.first() else {
        let name = profiles.name_of(&profile, site, &[], None)?;
        let url = format!("http://localhost:{port}{WRITE_PATH}");
        return Ok(Plan { source, settings, profile, name, files, elsewhere, url });
    };
    let is_native = |source: &Source| source.program == Program::Native;
    let mut listening = before.iter().filter(|it| it.settings.listening_port == port);
    if let Some(Plan { source: rival, .. }) =
        listening.find(|other| !is_native(other.source) && !is_native(source))
    {
        let rival = rival.name();
        return Err(vec![format!("{rival} listens on port {port}, too: give each its own")]);
    }
    let profile = profile.of_destination();
    // Two paths to one workspace are one destination.
    let same = before.iter().find(|plan| plan.profile.of_destination() == profile);
    let (name, url, profile) = if let Some(Plan { name, url, profile, .. }) = same {
        (name.clone(), url.clone(), profile.clone())
    } else {
        let name = profiles.name_of(&profile, site, &names(before), source.label())?;
        let url = format!("http://localhost:{}/{name}{WRITE_PATH}", first.settings.listening_port);
        (name, url, profile)
    };
    Ok(Plan { source, settings, profile, name, files, elsewhere, url })
}

/// The amounts that a profile can say, and its keys for them.
const AMOUNTS: [(&str, &str, &str); 4] = [
    ("cpu", "requests", "cpuRequest"),
    ("cpu", "limits", "cpuLimit"),
    ("memory", "requests", "memoryRequest"),
    ("memory", "limits", "memoryLimit"),
];

/// The amounts as keys of a profile, and those that it cannot say. A request that is not
/// written is the limit, as Kubernetes has it.
fn amounts(container: &Value) -> (Vec<(&'static str, Value)>, Vec<String>) {
    let given = |list: &str, name: &str| at(container, &["resources", list, name]);
    let keys = AMOUNTS.into_iter().filter_map(|(name, list, key)| {
        let amount = given(list, name).or_else(|| given("limits", name))?;
        Some((key, amount.as_str().map_or_else(|| amount.to_string(), str::to_owned).into()))
    });
    let mut lost = Vec::new();
    for list in ["requests", "limits"] {
        let given = at(container, &["resources", list]).and_then(Value::as_object);
        for (name, amount) in given.into_iter().flatten() {
            if !AMOUNTS.iter().any(|(known, ..)| known == name) {
                lost.push(format!("resources.{list}.{name}: {amount}: a profile cannot have it"));
            }
        }
    }
    (keys.collect(), lost)
}
