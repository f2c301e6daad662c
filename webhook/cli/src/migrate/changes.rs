//! What changes in a document, as operations on it: first what is added, then
//! what is replaced or removed. The other way round a mapping could become
//! empty in between, and lines would have nothing to stand beside.

use std::collections::BTreeSet;

use contract::annotations::{DEFAULT_PROFILE, INJECT, PROFILE};
use json_patch::{
    Patch, PatchOperation, RemoveOperation, ReplaceOperation,
    jsonptr::{PointerBuf, Token},
};
use serde_json::{Map, Value, json};

use super::{OrReasons, native, plan::Plan, source::Program};
use crate::{tree::at, workloads::sites::Site};

/// Takes the sources of `plans` and the volumes that are unused then out of `site`, from
/// behind to the front, and asks for a sidecar with these `profiles`.
///
/// # Errors
/// Where an annotation says the opposite.
pub(super) fn changes(
    site: &Site<'_>,
    document: &Value,
    plans: &[Plan<'_>],
    profiles: &str,
) -> OrReasons<[Patch; 2]> {
    let added = annotations(site, document, profiles)?;
    let mut taken = Vec::new();
    let remove =
        |path: &[String]| PatchOperation::Remove(RemoveOperation { path: pointer(site, path) });
    let mut lists: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for plan in plans {
        taken.extend(redirections(site, plan));
        let source = plan.source;
        if source.program == Program::Native {
            let leaving = native::leaving(&source.value);
            taken
                .extend(leaving.map(|key| remove(&[&source.path[..], &[key.to_owned()]].concat())));
        } else if let Some((place, list)) = source.path.split_last() {
            match lists.iter_mut().find(|(other, _)| other == list) {
                Some((_, places)) => places.insert(0, place.clone()),
                None => lists.push((list.to_vec(), vec![place.clone()])),
            }
        }
    }
    let volumes = site.form.volumes.iter().map(ToString::to_string).collect();
    let unused: BTreeSet<usize> = plans.iter().flat_map(|plan| plan.files.unused.clone()).collect();
    lists.push((volumes, unused.iter().rev().map(ToString::to_string).collect()));
    for (list, places) in lists {
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
    Ok([added, Patch(taken)])
}

/// What the annotations lack, with the mappings that they are to be in.
fn annotations(site: &Site<'_>, document: &Value, profile: &str) -> OrReasons<Patch> {
    let mut added = Map::new();
    for (name, wanted) in [(INJECT, "true"), (PROFILE, profile)] {
        match site.annotation(name) {
            // A list may have blanks in it.
            Some(Value::String(given)) if given.replace(' ', "") == wanted => {}
            Some(given) if name == INJECT => {
                return Err(vec![format!(
                    "its annotation {name} is {given}, and has to be {wanted:?}: remove it, and migrate again"
                )]);
            }
            Some(given) => return Err(vec![has_sidecar(&given.to_string(), profile)]),
            None if name == PROFILE
                && site.annotation(INJECT).is_some()
                && wanted != DEFAULT_PROFILE =>
            {
                return Err(vec![has_sidecar(&format!("{DEFAULT_PROFILE:?}"), profile)]);
            }
            None if wanted == DEFAULT_PROFILE => {}
            None => drop(added.insert(name.to_owned(), wanted.into())),
        }
    }
    let path = site.form.annotations;
    if path.is_empty() || added.is_empty() {
        return Ok(Patch::default());
    }
    let whole = path.iter().rev().fold(added.into(), |inner: Value, name| json!({*name: inner}));
    let mut after = document.clone();
    if let Some(node) = after.pointer_mut(pointer(site, &[]).as_str()) {
        json_patch::merge(node, &whole);
    }
    Ok(json_patch::diff(document, &after))
}

/// Why a pod that has a sidecar with the profile `given` does not get another's.
fn has_sidecar(given: &str, profile: &str) -> String {
    format!(
        "it is annotated already, with the profile {given}, and this needs {profile:?}: to have both, write the further profile and its name into {PROFILE} by hand; to replace it, annotate the pod with {PROFILE}: {profile}, and migrate again"
    )
}

/// Lets Prometheus write to the sidecar where it does not yet.
fn redirections(site: &Site<'_>, plan: &Plan<'_>) -> Vec<PatchOperation> {
    let others = plan.writes(site).filter(|(_, entry)| !plan.is_written_by(entry));
    let url = ["url".to_owned()];
    others
        .map(|(path, _)| replace(&[&site.path[..], &path, &url].concat(), plan.url.clone()))
        .collect()
}

/// A text in place of another.
pub(super) fn replace(path: &[String], value: String) -> PatchOperation {
    let path = PointerBuf::from_tokens(path.iter().map(Token::new));
    PatchOperation::Replace(ReplaceOperation { path, value: value.into() })
}

fn pointer(site: &Site<'_>, path: &[String]) -> PointerBuf {
    PointerBuf::from_tokens(site.path.iter().chain(path).map(Token::new))
}
