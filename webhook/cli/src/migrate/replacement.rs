//! What is to be done at one site, checked by doing it: the pod that comes out
//! is put through the webhook's own decision and patch.

use contract::{IdentityType, Settings, names::env};
use serde_json::Value;

use super::{
    amounts,
    changes::{Changes, changes},
    hints, lost, mounted_files,
    new_profile::NewProfile,
    placeholder, pods,
    profiles::Profiles,
    proof,
    sites::{Site, at},
    source::{Source, sources},
    variables::Variables,
};

/// What takes the place of a source, and works.
#[derive(Debug)]
pub(super) struct Replacement {
    /// What is replaced, for people.
    pub(super) source: String,
    /// The profile's name.
    pub(super) name: String,
    /// The profile.
    pub(super) profile: NewProfile,
    /// What is done to the document.
    pub(super) changes: Changes,
    /// What its author should know, or has to do.
    pub(super) notes: Vec<String>,
    /// What of the source nothing takes the place of.
    pub(super) lost: Vec<String>,
    /// The pods before and after.
    pub(super) pods: [Value; 2],
}

/// The settings of a source, and where they are from.
struct Read {
    given: Variables,
    settings: Settings,
    /// Variables that azure-workload-identity's webhook provides.
    elsewhere: Vec<&'static str>,
}

/// What to do at `site` of `document`; `None` where there is nothing of ours.
///
/// # Errors
/// Why it has to stay as it is: one sentence each.
pub(super) fn replacement(
    site: &Site<'_>,
    document: &Value,
    profiles: &Profiles,
) -> Option<Result<Replacement, Vec<String>>> {
    let sources = sources(site);
    match sources.as_slice() {
        [] => None,
        [source] => Some(one(site, document, source, profiles)),
        several => {
            let names: Vec<String> = several.iter().map(Source::name).collect();
            Some(Err(vec![format!(
                "a pod gets one sidecar, and here are {}: {}",
                several.len(),
                names.join(", ")
            )]))
        }
    }
}

fn one(
    site: &Site<'_>,
    document: &Value,
    source: &Source<'_>,
    profiles: &Profiles,
) -> Result<Replacement, Vec<String>> {
    if let Some(reason) = source.stays(site) {
        return Err(vec![reason]);
    }
    let read = read(site, source)?;
    let nothing = Value::Null;
    let container = match source {
        Source::Container { container, .. } => container,
        Source::Native { .. } => &nothing,
    };
    let certificate = [env::AZURE_CLIENT_CERTIFICATE_PATH, env::MDM_CERT_PATH]
        .iter()
        .find_map(|name| read.given.get(*name).map(String::as_str));
    let files = mounted_files::of(site, container, &read.settings, certificate)?;
    let amounts = amounts::keys(container);
    let profile = NewProfile::new(&read.settings, &read.given, &read.elsewhere, &files, amounts);
    let name = profiles.name_of(&profile, site).map_err(|reason| vec![reason])?;
    let port = read.settings.listening_port.get();
    let changes = changes(site, source, &files.replaced, &name, port)?;
    let node = node_after(site, document, &changes)?;
    let config = proof::config(&name, &profile)?;
    let pod = site.form.pod(&node).unwrap_or_else(|| pods::any(&name));
    let reviewed = reviewed(&pod, &read);
    let (injection, pod) = proof::injected(&config, &pod, &reviewed)?;
    let others = proof::changed_settings(&read.settings, &injection.effective);
    if !others.is_empty() {
        return Err(vec![format!("no profile can say what it has as {}", others.join(", "))]);
    }
    let lost = lost::of(source, &files, port, &profile);
    let pods = [
        pods::with_writes(pods::before(site), site.form, site.node),
        pods::with_writes(pod, site.form, &node),
    ];
    let mut notes = files.notes;
    notes.extend(hints::hints(site, source, port, &name));
    notes.extend(hints::elsewhere(&read.elsewhere));
    notes.extend(hints::placeholders(&profile));
    notes.extend(injection.warnings);
    Ok(Replacement { source: source.name(), name, profile, changes, notes, lost, pods })
}

/// The settings, with what azure-workload-identity's webhook would add.
fn read(site: &Site<'_>, source: &Source<'_>) -> Result<Read, Vec<String>> {
    let mut given = source.variables(site)?;
    let mut elsewhere = Vec::new();
    let kind = given.get(env::IDENTITY_TYPE).and_then(|kind| kind.parse().ok());
    let labelled = site.label("azure.workload.identity/use") == Some("true");
    if kind == Some(IdentityType::WorkloadIdentity) && labelled {
        let annotations = [
            (env::AZURE_CLIENT_ID, "azure.workload.identity/client-id"),
            (env::AZURE_TENANT_ID, "azure.workload.identity/tenant-id"),
        ];
        for (name, annotation) in annotations {
            if given.get(name).is_some_and(|given| !given.is_empty()) {
                continue;
            }
            let says = site.account.and_then(|account| account.get(annotation)?.as_str());
            if says.is_none() {
                elsewhere.push(name);
            }
            given.insert(name.to_owned(), says.unwrap_or(proof::SOMEBODY).to_owned());
        }
        let file = || proof::TOKEN.to_owned();
        given.entry(env::AZURE_FEDERATED_TOKEN_FILE.to_owned()).or_insert_with(file);
    }
    let lookup = |name: &str| given.get(name).map(|text| placeholder::usable(name, text));
    let settings = Settings::from_env(lookup)
        .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    Ok(Read { given, settings, elsewhere })
}

/// The site in the changed document.
fn node_after(site: &Site<'_>, document: &Value, changes: &Changes) -> Result<Value, Vec<String>> {
    let mut document = document.clone();
    for patch in [&changes.added, &changes.taken] {
        json_patch::patch(&mut document, patch).map_err(|error| vec![error.to_string()])?;
    }
    Ok(at(&document, &site.path).cloned().unwrap_or_default())
}

/// The pod as azure-workload-identity's webhook leaves it to ours.
fn reviewed(pod: &Value, read: &Read) -> Value {
    if read.elsewhere.is_empty() { pod.clone() } else { proof::with_azures_webhook(pod) }
}
