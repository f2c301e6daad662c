//! What changes in a document, as operations on it: first what is added, then
//! what is replaced or removed. The other way round a mapping could become
//! empty in between, and lines would have nothing to stand beside.

use contract::annotations::{DEFAULT_PROFILE, INJECT, PROFILE};
use json_patch::{
    AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation,
    jsonptr::{PointerBuf, Token},
};
use serde_json::{Value, json};
use webhook::patch::{self, Additions};

use super::{
    native,
    sites::{Form, Site},
    source::Source,
};
use crate::loopback;

/// The change of one site, and what it is in words.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// What is added.
    pub(super) added: Patch,
    /// What is replaced or removed, from behind to the front.
    pub(super) taken: Patch,
    /// One sentence each.
    pub(super) words: Vec<String>,
}

/// Takes `source` and the volumes at `replaced` out of `site`, and asks for a
/// sidecar that listens on `port`.
///
/// # Errors
/// Where an annotation cannot be added, or says the opposite.
pub(super) fn changes(
    site: &Site<'_>,
    source: &Source<'_>,
    replaced: &[usize],
    profile: &str,
    port: u16,
) -> Result<Changes, Vec<String>> {
    let mut changes = Changes::default();
    if site.form != Form::Configuration {
        changes.annotate(site, profile)?;
    }
    changes.redirect(site, source, port);
    match source {
        Source::Container { list, index, .. } => {
            changes.words.push(format!("{} is removed", source.name()));
            changes.remove_items(site, list, &[*index]);
        }
        Source::Native { list, index, entry } => {
            for key in native::leaving(entry) {
                let way = [*list, &index.to_string(), key];
                changes.words.push(format!("{list}[{index}].{key} is removed"));
                changes.taken.0.push(remove(pointer(site, &way)));
            }
        }
    }
    for volume in replaced.iter().filter_map(|index| site.items("volumes").get(*index)) {
        let name = volume.get("name").and_then(Value::as_str).unwrap_or_default();
        changes.words.push(format!("volume {name:?} is removed: the webhook brings its own"));
    }
    changes.remove_items(site, "volumes", replaced);
    Ok(changes)
}

impl Changes {
    fn annotate(&mut self, site: &Site<'_>, profile: &str) -> Result<(), Vec<String>> {
        let metadata = site.node.get(site.form.metadata());
        let mut annotations = Vec::new();
        match site.annotation(INJECT) {
            None => annotations.push((INJECT.to_owned(), "true".to_owned())),
            Some(asks) if asks == "true" => {}
            Some(asks) => return Err(vec![format!("its annotation {INJECT} is {asks}")]),
        }
        match site.annotation(PROFILE) {
            None if profile == DEFAULT_PROFILE => {}
            None => annotations.push((PROFILE.to_owned(), profile.to_owned())),
            Some(named) if named == profile => {}
            Some(named) => {
                return Err(vec![format!(
                    "its annotation {PROFILE} is {named}, which is no text: write it with quotes"
                )]);
            }
        }
        let place = format!("{}.annotations", site.form.metadata());
        let words =
            annotations.iter().map(|(name, text)| format!("{name}: {text:?} is added to {place}"));
        self.words.extend(words);
        let additions = Additions { annotations, ..Additions::default() };
        let pod = metadata.map_or_else(|| json!({}), |metadata| json!({"metadata": metadata}));
        let patch = patch::patch(&pod, additions).map_err(|error| vec![error.to_string()])?;
        self.added.0.extend(patch.0.into_iter().map(|operation| match operation {
            PatchOperation::Add(AddOperation { path, value }) => {
                let below = path.tokens().skip(1).map(|token| token.decoded().into_owned());
                let way: Vec<String> =
                    std::iter::once(site.form.metadata().to_owned()).chain(below).collect();
                let way: Vec<&str> = way.iter().map(String::as_str).collect();
                PatchOperation::Add(AddOperation { path: pointer(site, &way), value })
            }
            other => other,
        }));
        Ok(())
    }

    /// Lets Prometheus write to the sidecar where it does not yet.
    fn redirect(&mut self, site: &Site<'_>, source: &Source<'_>, port: u16) {
        let url = format!("http://localhost:{port}{}", contract::names::WRITE_PATH);
        let is_native = |list: &str, index: usize| matches!(source, Source::Native { list: its, index: at, .. } if *its == list && *at == index);
        for (list, index, entry) in site.writes() {
            let now = entry.get("url").and_then(Value::as_str).unwrap_or_default();
            let goes_there = loopback::parse(now).is_some_and(|found| found.port == port);
            let is_right = goes_there && now.ends_with(contract::names::WRITE_PATH);
            if is_right || !(goes_there || is_native(list, index)) {
                continue;
            }
            self.words.push(format!("{list}[{index}].url is {url} now, and was {now}"));
            let path = pointer(site, &[list, &index.to_string(), "url"]);
            let value = url.clone().into();
            self.taken.0.push(PatchOperation::Replace(ReplaceOperation { path, value }));
        }
    }

    /// A list of which nothing is left goes as a whole.
    fn remove_items(&mut self, site: &Site<'_>, list: &str, places: &[usize]) {
        let way = |more: &[&str]| {
            let whole: Vec<&str> = site
                .form
                .spec()
                .iter()
                .copied()
                .chain([list])
                .chain(more.iter().copied())
                .collect();
            remove(pointer(site, &whole))
        };
        if places.is_empty() {
            return;
        }
        if places.len() == site.items(list).len() {
            self.taken.0.push(way(&[]));
            return;
        }
        let mut places = places.to_vec();
        places.sort_unstable_by(|one, other| other.cmp(one));
        self.taken.0.extend(places.iter().map(|place| way(&[&place.to_string()])));
    }
}

fn pointer(site: &Site<'_>, way: &[&str]) -> PointerBuf {
    let site = site.path.iter().map(String::as_str);
    PointerBuf::from_tokens(site.chain(way.iter().copied()).map(Token::new))
}

fn remove(path: PointerBuf) -> PatchOperation {
    PatchOperation::Remove(RemoveOperation { path })
}
