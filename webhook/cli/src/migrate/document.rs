//! Documents one after the other, and the texts in them that are files of their
//! own.

use std::slice;

use json_patch::Patch;
use serde_json::Value;

use super::{
    Attempt, Migrated, Migration, OrReasons,
    changes::replace,
    leftovers::{leftovers, mark_in},
    losses,
    plan::{Plan, plans},
    replacement::replacement,
    source::{Source, sources},
};
use crate::{
    manifests::{self, ManifestError, language},
    tree::at,
    workloads::sites::{Site, sites},
    yaml::{documents, edit, is_yaml, unused_anchors},
};

/// Why what is known is not done.
const NOT_IN_PLACE: &str = "its document cannot be edited in place because of";

impl Migration {
    /// The text of a document of `file`; `place` is which, and where in it this is a text.
    ///
    /// # Errors
    /// Where it is no YAML.
    pub(super) fn document(
        &mut self,
        place: &str,
        document: &str,
        file: &str,
    ) -> Result<String, ManifestError> {
        let has_mark = mark_in(document).is_some();
        let original = match manifests::parse(self.elsewhere.document, document, file) {
            // It is about something else, and what it says does not matter.
            Err(_) if !has_mark && is_yaml(document) => Value::Null,
            read => read?,
        };
        if let Some(language) = language::of_value(&original).filter(|_| has_mark) {
            self.attempt(format!("{place}all of it"), Err(vec![language]));
            return Ok(document.to_owned());
        }
        let (mut edited, mut known) = ((document.to_owned(), original.clone()), Vec::new());
        let mut sites = sites(&original);
        sites.retain(|site| !sources(site).is_empty());
        let tried: Vec<_> = sites.iter().map(|site| self.site(site, &mut edited)).collect();
        for (site, result) in sites.iter().zip(tried) {
            // Where an alias has gone since, what it led to can go as well.
            let result = result.or_else(|_| self.site(site, &mut edited));
            known.extend(result.is_err().then(|| site.path.clone()));
            self.attempt(format!("{place}{}", site.subject), result);
        }
        let (text, value) = &edited;
        // Where an alias led to what has gone, what it meant is left.
        let is_list =
            |name: &String| name.ends_with("ontainers") && !name.starts_with(['_', '.', 'x']);
        for anchor in unused_anchors(text).into_iter().filter(|path| !path.iter().any(is_list)) {
            let left = at(value, &anchor).map(|node| leftovers(node, &[]).stays);
            if left.is_some_and(|left| !left.is_empty()) {
                let path = anchor.join(".");
                self.notes.push(format!("{place}no alias refers to the anchor at {path}: remove it, unless something else reads it"));
                known.push(anchor);
            }
        }
        let left = leftovers(value, &known);
        for (path, source, reason) in left.stays {
            let what = source.as_ref().map_or_else(|| "text".to_owned(), Source::name);
            let what = format!("{what} at {}", path.join("."));
            let what = if path.is_empty() { "all of it" } else { &what };
            let subject = format!("{place}{what}");
            let step = source.map(|source| self.by_hand(value, &path, &source));
            let reasons = [vec![reason], step.unwrap_or_default()].concat();
            self.attempt(subject, Err(reasons));
        }
        Ok(self.texts(place, left.texts, edited))
    }

    fn attempt(&mut self, subject: String, result: OrReasons<Migrated>) {
        self.attempts.push(Attempt { subject, result });
    }

    /// Does to a text, and to what it says, what takes the place of the sources at `site`.
    fn site(
        &mut self,
        site: &Site<'_>,
        (text, value): &mut (String, Value),
    ) -> OrReasons<Migrated> {
        let sources = sources(site);
        if let Some(reason) = sources.iter().find_map(|source| source.stays(site, &sources)) {
            return Err(vec![reason]);
        }
        let plans = plans(site, &sources, &self.profiles)?;
        let (changes, mut migrated) = replacement(site, value, &plans)?;
        self.elsewhere.references(site, &changes[1])?;
        for plan in &plans {
            migrated.notes.extend(self.elsewhere.services(plan));
            self.profiles.add(&plan.name, plan.profile.clone());
        }
        (*text, *value) = edit::apply_all(text, value, &changes).map_err(|reason| {
            let whole: Vec<_> = changes.iter().flat_map(|patch| &patch.0).collect();
            let patch = serde_saphyr::to_string(&whole).unwrap_or_default();
            let profile = &migrated.profile;
            vec![format!("{NOT_IN_PLACE} {reason}; this JSON patch shows what to do by hand, with profile {profile:?}:\n{patch}")]
        })?;
        Ok(migrated)
    }

    /// What to do with a source at a place that is not known.
    fn by_hand(&mut self, document: &Value, path: &[String], source: &Source) -> Vec<String> {
        let above = path.len().checked_sub(2).and_then(|depth| at(document, path.get(..depth)?));
        let site = Site::supposed(above.unwrap_or(&Value::Null), path);
        match plans(&site, slice::from_ref(source), &self.profiles) {
            Err(reasons) => reasons,
            Ok(plans) => plans.into_iter().map(|Plan { name, url, profile, .. }| {
                let annotations = losses::annotations(&name);
                self.profiles.add(&name, profile);
                format!("by hand, with profile {name:?}: remove the container (or the azuread block), annotate the pod with {annotations} (charts and operators have podMetadata.annotations or podAnnotations), and let it write to {url}")
            }).collect(),
        }
    }

    /// The text of a document, and what it says, with the texts at `paths` migrated, which
    /// are files of their own.
    fn texts(&mut self, place: &str, paths: Vec<Vec<String>>, edited: (String, Value)) -> String {
        let (mut text, mut value) = edited;
        for path in paths {
            let before = at(&value, &path).and_then(Value::as_str).unwrap_or_default();
            let place = format!("{place}{}: ", path.join("."));
            let mut run = self.clone();
            let inner =
                documents(before).into_iter().map(|inner| run.document(&place, inner, before));
            let after = inner.collect::<Result<String, _>>().map_err(|error| error.to_string());
            let edited = after.and_then(|after| {
                // A text without an end stays one.
                let after = if before.ends_with('\n') { after.as_str() } else { after.trim_end() };
                let patch = [Patch(vec![replace(&path, after.to_owned())])];
                let patches = if after == before { &[] } else { patch.as_slice() };
                edit::apply_all(&text, &value, patches)
                    .map_err(|why| format!("{NOT_IN_PLACE} {why}: write this text as a block after a |, and migrate again"))
            });
            match edited {
                Ok(edited) => {
                    (text, value) = edited;
                    *self = run;
                }
                Err(reason) => self.attempt(format!("{place}text"), Err(vec![reason])),
            }
        }
        text
    }
}
