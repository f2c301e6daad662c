//! What changes in a document, as operations on it: first what is added, then
//! what is replaced or removed. The other way round a mapping could become
//! empty in between, and lines would have nothing to stand beside.

use contract::annotations::{DEFAULT_PROFILE, INJECT, PROFILE};
use json_patch::{
    AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation,
    jsonptr::{PointerBuf, Token},
};
use serde_json::{Map, Value};

use super::{
    OrReasons, native,
    replacement::Plan,
    source::{Program, Source},
};
use crate::{loopback, tree::at, workloads::sites::Site};

/// Takes `source` and the volumes that are unused then out of `site`, from behind to
/// the front, and asks for a sidecar.
///
/// # Errors
/// Where an annotation says the opposite.
pub(super) fn changes(site: &Site<'_>, source: &Source, plan: &Plan) -> OrReasons<[Patch; 2]> {
    let added = annotations(site, &plan.name)?;
    let mut taken = redirections(site, source, plan);
    let remove =
        |way: &[String]| PatchOperation::Remove(RemoveOperation { path: pointer(site, way) });
    if source.program == Program::Native {
        let leaving = native::leaving(&source.value);
        taken.extend(leaving.map(|key| remove(&[&source.way[..], &[key.to_owned()]].concat())));
    }
    let volumes = site.form.volumes.iter().map(ToString::to_string).collect();
    let container = source.way.split_last().filter(|_| source.program != Program::Native);
    let container = container.map(|(place, list)| (list.to_vec(), vec![place.clone()]));
    let unused = plan.files.unused.iter().rev().map(ToString::to_string).collect();
    for (list, places) in container.into_iter().chain([(volumes, unused)]) {
        // A list of which nothing is left goes as a whole.
        let count = match at(site.node, &list) {
            Some(Value::Array(items)) => items.len(),
            Some(Value::Object(entries)) => entries.len(),
            _ => continue,
        };
        if places.len() == count {
            taken.push(remove(&list));
        } else {
            taken.extend(places.into_iter().map(|place| remove(&[&list[..], &[place]].concat())));
        }
    }
    Ok([Patch(added), Patch(taken)])
}

/// What the annotations lack, with the mappings that they are to be in.
fn annotations(site: &Site<'_>, profile: &str) -> Result<Vec<PatchOperation>, Vec<String>> {
    let mut added = Map::new();
    for (name, wanted) in [(INJECT, "true"), (PROFILE, profile)] {
        match site.annotation(name) {
            Some(given) if given == wanted => {}
            Some(given) => {
                let no_text = ", which is no text: write it with quotes";
                let why = if given.is_string() { "" } else { no_text };
                return Err(vec![format!("its annotation {name} is {given}{why}")]);
            }
            None if wanted == DEFAULT_PROFILE => {}
            None => drop(added.insert(name.to_owned(), wanted.into())),
        }
    }
    let way: Vec<String> = site.form.annotations.iter().map(ToString::to_string).collect();
    let is_there = |depth: &usize| {
        way.get(..*depth).and_then(|way| at(site.node, way)).is_some_and(Value::is_object)
    };
    let depth = (0..=way.len()).take_while(is_there).last().unwrap_or_default();
    let (there, new) = way.split_at(depth);
    if way.is_empty() || added.is_empty() {
        return Ok(Vec::new());
    }
    let nested = |inner: Map<_, _>, name: &String| Map::from_iter([(name.clone(), inner.into())]);
    let added = new.iter().rev().fold(added, nested).into_iter().map(|(name, value)| {
        let path = pointer(site, &[there, &[name]].concat());
        PatchOperation::Add(AddOperation { path, value })
    });
    Ok(added.collect())
}

/// Lets Prometheus write to the sidecar where it does not yet.
fn redirections(site: &Site<'_>, source: &Source, plan: &Plan) -> Vec<PatchOperation> {
    let port = plan.settings.listening_port.get();
    let mut operations = Vec::new();
    for (way, entry) in site.writes() {
        let found = loopback::parse(entry["url"].as_str().unwrap_or_default());
        let found = found.filter(|found| found.port == port);
        let is_right = |found: &loopback::Loopback<'_>| found.rest == contract::names::WRITE_PATH;
        if (found.is_some() || way == source.way) && !found.as_ref().is_some_and(is_right) {
            let url = ["url".to_owned()];
            operations.push(replace(&[&site.path[..], &way, &url].concat(), plan.url()));
        }
    }
    operations
}

/// A text in place of another.
pub(super) fn replace(way: &[String], value: String) -> PatchOperation {
    let path = PointerBuf::from_tokens(way.iter().map(Token::new));
    PatchOperation::Replace(ReplaceOperation { path, value: value.into() })
}

fn pointer(site: &Site<'_>, way: &[String]) -> PointerBuf {
    PointerBuf::from_tokens(site.path.iter().chain(way).map(Token::new))
}
