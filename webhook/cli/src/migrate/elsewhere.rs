//! What other parts of a file say about its sites: paths into values, Services that
//! lead to the sidecar, and profiles in use.

use contract::annotations::{DEFAULT_PROFILE, INJECT, PREFIX, PROFILE, parse_inject};
use json_patch::Patch;
use serde_json::Value;

use super::{leftovers, new_profiles::Profiles, plan::Plan, source::Program};
use crate::{
    helm_path,
    tree::{at, walk},
    workloads::{sites::Site, subject},
    yaml,
};

/// What texts have that say something, unlike dashboards: annotations, charts' values,
/// profiles, and JSON patches.
const READ: [&str; 4] = [PREFIX, "Spec", "profiles", "/spec"];

/// What is found in all documents of a file before one is changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Elsewhere {
    /// The document that is looked at, from 1.
    pub(super) document: usize,
    /// Ways into values: in which document, as written and where, and their names.
    references: Vec<(usize, String, Vec<String>)>,
    /// Ports that lead into pods: in which document, unless a Service does; whose; and the
    /// port or its name.
    services: Vec<(Option<usize>, String, Value)>,
}

impl Elsewhere {
    /// Adds what `document` says, or a text in one, whose place this begins with.
    pub(super) fn read(&mut self, above: &str, document: &Value, profiles: &mut Profiles) {
        walk(document, &mut |node, path| {
            // An annotation, or a parameter of Argo CD that sets it.
            let says = |annotation: &str| {
                let sets = node["name"].as_str().is_some_and(|name| name.ends_with(annotation));
                node.get(annotation).or(node.get("value").filter(|_| sets))
            };
            let asks = says(INJECT).map(|asks| parse_inject(&asks.to_string()));
            let asks = asks.is_some_and(|asks| asks.is_ok_and(|it| it.asks));
            let used = says(PROFILE).and_then(Value::as_str).or(asks.then_some(DEFAULT_PROFILE));
            let used = used.into_iter().flat_map(|names| names.split(','));
            profiles.in_use.extend(used.map(|name| name.trim().to_owned()));
            // Values or a configuration; Helm removes what is null.
            let named = node.get("profiles").and_then(Value::as_object).into_iter().flatten();
            let named = named.filter(|(_, profile)| !profile.is_null());
            profiles.in_use.extend(named.map(|(name, _)| name.clone()));
            let text = node.as_str().unwrap_or_default();
            let place = format!("{above}{}", path.join("."));
            if leftovers::is_file(text) && READ.iter().any(|word| text.contains(word)) {
                let inner =
                    yaml::documents(text).into_iter().map(yaml::read).filter_map(Result::ok);
                let above = format!("{place}: ");
                inner.filter(|it| !it.is_string()).for_each(|it| self.read(&above, &it, profiles));
            }
            let texts = path.last().map(String::as_str).into_iter().chain([text]);
            let ways = texts.filter_map(helm_path::parse);
            let ways = ways.map(|(way, names)| (self.document, format!("{way} in {place}"), names));
            self.references.extend(ways);
            let target = node.get("targetPort").cloned();
            self.services.extend(target.map(|target| (Some(self.document), place, target)));
            // A document of its own, or an item of a list of objects.
            let is_service = node.get("kind").is_some_and(|kind| kind == "Service");
            let ports = node.pointer("/spec/ports").and_then(Value::as_array);
            let ports = ports.filter(|_| is_service).into_iter().flatten();
            let targets = ports.filter_map(|port| port.get("targetPort").or(port.get("port")));
            self.services.extend(targets.map(|it| (None, subject(node, "Service"), it.clone())));
            !is_service
        });
    }

    /// Whether what is `taken` out at `site` can go.
    ///
    /// # Errors
    /// Ways into what goes or moves, in the same document.
    pub(super) fn references(&self, site: &Site<'_>, taken: &Patch) -> Result<(), Vec<String>> {
        let reached = self.references.iter().filter_map(|(document, way, names)| {
            let effect = helm_path::effect(taken, names).filter(|_| *document == self.document)?;
            let env = names.iter().position(|name| name == "env");
            let variable = (0..names.len()).find_map(|start| {
                at(site.node, names.get(start..env? + 2)?)?.get("name")?.as_str()
            });
            let variable = variable.map(|name| format!(" (variable {name})")).unwrap_or_default();
            Some(format!("{way}{variable} {effect}: write its value into the values themselves, remove it from there, and migrate again"))
        });
        let reached: Vec<String> = reached.collect();
        if reached.is_empty() { Ok(()) } else { Err(reached) }
    }

    /// Services through which other pods may use the sidecar.
    pub(super) fn services(&self, plan: &Plan<'_>) -> Vec<String> {
        let (source, port) = (plan.source, plan.settings.listening_port.get());
        let ports = source.value.get("ports").and_then(Value::as_array).into_iter().flatten();
        let names = ports.filter(|it| it["containerPort"] == port).filter_map(|it| it.get("name"));
        let numbers = [port.into(), port.to_string().into()];
        let targets: Vec<&Value> = names.chain(&numbers).collect();
        let leads = self.services.iter().filter(|(document, _, target)| {
            let is_near = document.is_none_or(|document| document == self.document);
            source.program != Program::Native && is_near && targets.contains(&target)
        });
        leads.map(|(_, whose, _)| {
            format!("{whose} leads to port {port}, and the sidecar listens at {}: if it selects this pod, and other pods write through it, add acceptFrom: any to the profile, because by default the sidecar accepts samples of its own pod only", plan.url)
        }).collect()
    }
}
