//! What changes in a document, as operations on it: first what is added, then
//! what is replaced or removed. The other way round a mapping could become
//! empty in between, and lines would have nothing to stand beside.

use contract::annotations::{DEFAULT_PROFILE, INJECT, PROFILE};
use json_patch::{
    Patch, PatchOperation, RemoveOperation, ReplaceOperation,
    jsonptr::{PointerBuf, Token},
};
use serde_json::{Map, Value, json};

use super::{OrReasons, native, plan::Plan, source::Program};
use crate::{
    tree::{at, each_child, walk},
    workloads::sites::Site,
};

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
    let remove =
        |path: &[String]| PatchOperation::Remove(RemoveOperation { path: pointer(site, path) });
    let (mut taken, mut leaving) = (Vec::new(), Vec::new());
    for plan in plans {
        let source = plan.source;
        if source.program == Program::Native {
            let keys = native::leaving(&source.value);
            taken.extend(keys.map(|key| remove(&[&source.path[..], &[key.to_owned()]].concat())));
        } else {
            leaving.push(source.path.clone());
        }
        // Prometheus writes to the sidecar where it does not yet.
        let others = plan.writes(site).filter(|(_, entry)| !plan.is_written_by(entry));
        let url = |path: Vec<String>| [&site.path[..], &path, &["url".to_owned()]].concat();
        taken.extend(others.map(|(path, _)| replace(&url(path), plan.url.clone())));
    }
    leaving.extend(unused(site, plans));
    for path in leaving.iter().rev() {
        let Some((_, list)) = path.split_last() else { continue };
        let mut beside = leaving.iter().filter(|it| it.len() == path.len() && it.starts_with(list));
        let mut count = 0;
        each_child(at(site.node, list).unwrap_or(&Value::Null), |_, _| count += 1);
        if beside.clone().count() < count {
            taken.push(remove(path));
        } else if beside.next() == Some(path) {
            // A list of which nothing is left goes as a whole.
            taken.push(remove(list));
        }
    }
    Ok([added, Patch(taken)])
}

/// The paths to the volumes that nothing but the sources of `plans` mounts.
fn unused(site: &Site<'_>, plans: &[Plan<'_>]) -> Vec<Vec<String>> {
    let unused = site.volumes().iter().enumerate().filter(|(_, volume)| {
        // Operators and charts have mounts in many places, as in thanos.volumeMounts.
        let mut goes = Vec::new();
        walk(site.node, &mut |node, path| {
            let is_mount = node.get("mountPath").is_some() && node["name"] == volume["name"];
            let is_source = |plan: &Plan<'_>| path.starts_with(&plan.source.path);
            goes.extend(is_mount.then(|| plans.iter().any(is_source)));
            true
        });
        // The CSI driver's credentials are in no volume of the webhook, which uses this one.
        let is_used = volume.pointer("/csi/nodePublishSecretRef").is_some();
        goes.contains(&true) && !goes.contains(&false) && !is_used
    });
    let list = site.form.volumes.iter().map(ToString::to_string);
    unused.map(|(place, _)| list.clone().chain([place.to_string()]).collect()).collect()
}

/// The annotations, with the mappings that they are to be in.
fn annotations(site: &Site<'_>, document: &Value, profile: &str) -> OrReasons<Patch> {
    let mut names = [PROFILE, INJECT].into_iter();
    let annotated = names.find_map(|name| Some((name, site.annotation(name)?)));
    // A profile that is there may not be meant for these settings.
    if let Some((name, value)) = annotated {
        return Err(vec![format!(
            "it is annotated already: {name} is {value}, and this needs profile {profile:?}: to replace it, remove {INJECT} and {PROFILE}, and migrate again; to have one more profile, write it, and add its name to {PROFILE}, by hand"
        )]);
    }
    let path = site.form.annotations;
    if path.is_empty() {
        return Ok(Patch::default());
    }
    // What names no profile has the default one.
    let texts = [(INJECT, "true"), (PROFILE, profile)].into_iter();
    let texts = texts.filter(|(_, text)| *text != DEFAULT_PROFILE);
    let added: Map<_, _> = texts.map(|(name, text)| (name.to_owned(), text.into())).collect();
    let whole = path.iter().rev().fold(added.into(), |inner: Value, name| json!({*name: inner}));
    let mut after = document.clone();
    if let Some(node) = after.pointer_mut(pointer(site, &[]).as_str()) {
        json_patch::merge(node, &whole);
    }
    Ok(json_patch::diff(document, &after))
}

/// A text in place of another.
pub(super) fn replace(path: &[String], value: String) -> PatchOperation {
    let path = PointerBuf::from_tokens(path.iter().map(Token::new));
    PatchOperation::Replace(ReplaceOperation { path, value: value.into() })
}

fn pointer(site: &Site<'_>, path: &[String]) -> PointerBuf {
    PointerBuf::from_tokens(site.path.iter().chain(path).map(Token::new))
}
