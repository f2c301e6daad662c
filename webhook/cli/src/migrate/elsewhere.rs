//! What other parts of a file say about its sites: paths into values, Services that
//! lead to the sidecar, and profiles in use.

use std::slice;

use contract::annotations::{DEFAULT_PROFILE, INJECT, PREFIX, PROFILE};
use json_patch::Patch;
use serde_json::Value;

use super::{leftovers, plan::Plan, profile::Profiles, source::Program};
use crate::{
    helm_path,
    tree::{at, walk},
    workloads::{sites::Site, subject},
    yaml,
};

/// What is found in all documents of a file before one is changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Elsewhere {
    /// The document that is looked at, from 1.
    pub(super) document: usize,
    /// Ways into values: as written, in which document and where there, and their names.
    references: Vec<(String, (usize, String), Vec<String>)>,
    /// Ports that lead into pods: in which document, whose, whether this is a Service (and
    /// not what a chart makes one of), and the port or its name.
    services: Vec<(usize, String, bool, Value)>,
}

impl Elsewhere {
    /// Adds what `document` says.
    pub(super) fn read(&mut self, document: &Value, profiles: &mut Profiles) {
        walk(document, &mut |node, path| {
            let default = Value::from(DEFAULT_PROFILE);
            let asks = node.get(INJECT).filter(|asks| *asks == "true").map(|_| &default);
            let used = node.get(PROFILE).or(asks).and_then(Value::as_str).unwrap_or_default();
            profiles.in_use.extend(used.split(',').map(|name| name.trim().to_owned()));
            // Values of our own chart, of which Helm removes what is null.
            let ours = node.pointer("/config/profiles").and_then(Value::as_object);
            let ours = ours.into_iter().flatten().filter(|(_, profile)| !profile.is_null());
            profiles.in_use.extend(ours.map(|(name, _)| name.clone()));
            let text = node.as_str().unwrap_or_default();
            if leftovers::is_file(text) && [PREFIX, "Spec"].iter().any(|word| text.contains(word)) {
                let inner =
                    yaml::documents(text).into_iter().map(yaml::read).filter_map(Result::ok);
                inner.filter(|it| !it.is_string()).for_each(|it| self.read(&it, profiles));
            }
            let place = path.join(".");
            let texts = path.last().map(String::as_str).into_iter().chain([text]);
            self.references.extend(
                texts
                    .filter_map(helm_path::parse)
                    .map(|(path, names)| (path.to_owned(), (self.document, place.clone()), names)),
            );
            // A document of its own, or an item of a list of objects.
            let is_service = node.get("kind").is_some_and(|kind| kind == "Service");
            let ports = node.pointer("/spec/ports").and_then(Value::as_array);
            let ports = ports.filter(|_| is_service).map_or(slice::from_ref(node), Vec::as_slice);
            for port in ports {
                let same = port.get("port").filter(|_| is_service);
                let Some(target) = port.get("targetPort").or(same) else { continue };
                let whose = if is_service { subject(node, "Service") } else { place.clone() };
                self.services.push((self.document, whose, is_service, target.clone()));
            }
            !is_service
        });
    }

    /// Whether what is `taken` out at `site` can go.
    ///
    /// # Errors
    /// Ways into what goes or moves, in the same document.
    pub(super) fn references(&self, site: &Site<'_>, taken: &Patch) -> Result<(), Vec<String>> {
        let reached = self.references.iter().filter_map(|(path, (document, place), names)| {
            let effect = helm_path::effect(taken, names).filter(|_| *document == self.document)?;
            let env = names.iter().position(|name| name == "env");
            let variable = (0..names.len()).find_map(|start| {
                at(site.node, names.get(start..env? + 2)?)?.get("name")?.as_str()
            });
            let variable = variable.map(|name| format!(" (variable {name})")).unwrap_or_default();
            Some(format!("{path}{variable}, in {place}, {effect}: write its value into the values themselves, remove it from there, and migrate again"))
        });
        let reached: Vec<String> = reached.collect();
        if reached.is_empty() { Ok(()) } else { Err(reached) }
    }

    /// Services through which other pods may use the sidecar.
    pub(super) fn services(&self, plan: &Plan<'_>) -> Vec<String> {
        let (source, port) = (plan.source, plan.settings.listening_port.get());
        let ports = source.value.get("ports").and_then(Value::as_array).into_iter().flatten();
        let names: Vec<_> =
            ports.filter(|it| it["containerPort"] == port).map(|it| &it["name"]).collect();
        let leads = self.services.iter().filter(|(document, _, is_service, target)| {
            let is_near = *is_service || *document == self.document;
            let is_number = *target == port || target.as_str() == Some(&port.to_string());
            source.program != Program::Native && is_near && (is_number || names.contains(&target))
        });
        leads.map(|(_, whose, ..)| {
            let url = &plan.url;
            let gone = if plan.is_moved() { format!(", where nothing listens any more ({url} does)") } else { String::new() };
            format!("{whose} leads to port {port}{gone}: if it selects this pod, and other pods write through it, add acceptFrom: any to the profile, because by default the sidecar accepts samples of its own pod only")
        }).collect()
    }
}
