//! Documents one after the other, and the texts in them that are files of their
//! own.

use json_patch::{
    Patch, PatchOperation, ReplaceOperation,
    jsonptr::{PointerBuf, Token},
};
use serde_json::Value;

use super::{
    Attempt, Migrated,
    changes::Changes,
    leftovers,
    profiles::Profiles,
    read,
    replacement::{Replacement, replacement},
    sites::sites,
};
use crate::{
    manifests::ManifestError,
    yaml::{
        comments, documents,
        edit::{self, NotInPlace},
    },
};

/// What is mentioned by everything that can be migrated, in small letters; also
/// ways into values.
const MARKS: [&str; 6] = [
    "prometheusspec.",
    "prom-remotewrite",
    "prometheus-remote-write/images",
    "ingestion_url",
    "azuread",
    "aad-auth-proxy",
];

/// One migration on its way.
pub(super) struct Rewrite {
    /// What has been done or left so far.
    pub(super) attempts: Vec<Attempt>,
    /// The profiles that it takes.
    pub(super) profiles: Profiles,
}

impl Rewrite {
    /// The text of a document; `place` says where in another it is a text.
    pub(super) fn document(
        &mut self,
        number: usize,
        place: &str,
        document: &str,
    ) -> Result<String, ManifestError> {
        let lower = document.to_lowercase();
        if !MARKS.iter().any(|mark| lower.contains(mark)) {
            read::check(number, document)?;
            return Ok(document.to_owned());
        }
        let mut value = read::value(number, document)?;
        let (text, stays) = self.sites(number, place, document, &mut value);
        for (subject, reason) in leftovers::leftovers(&value, &stays) {
            let subject = format!("{place}{subject}");
            self.attempts.push(Attempt { number, subject, result: Err(vec![reason]) });
        }
        Ok(self.texts(number, place, text, value))
    }

    /// The text with every site migrated, and the ways to those that stay.
    fn sites(
        &mut self,
        number: usize,
        place: &str,
        document: &str,
        value: &mut Value,
    ) -> (String, Vec<Vec<String>>) {
        let original = value.clone();
        let (mut text, mut stays) = (document.to_owned(), Vec::new());
        for site in sites(&original) {
            let Some(planned) = replacement(&site, value, &self.profiles) else { continue };
            let subject = format!("{place}{}", site.subject);
            let result = planned.and_then(|plan| self.carried_out(&mut text, value, plan));
            if result.is_err() {
                stays.push(site.path.clone());
            }
            self.attempts.push(Attempt { number, subject, result });
        }
        (text, stays)
    }

    /// The text with those of its texts migrated that are files of their own.
    fn texts(&mut self, number: usize, place: &str, mut text: String, mut value: Value) -> String {
        for way in leftovers::texts(&value) {
            let pointer = PointerBuf::from_tokens(way.iter().map(String::as_str).map(Token::new));
            let Some(before) = value.pointer(pointer.as_str()).and_then(Value::as_str) else {
                continue;
            };
            let place = format!("{place}{}: ", way.join("."));
            let attempts = self.attempts.len();
            let profiles = self.profiles.clone();
            let after = match self.inner(number, &place, before) {
                // A text without an end stays one.
                Ok(after) if !before.ends_with('\n') => after.trim_end().to_owned(),
                Ok(after) => after,
                Err(error) => {
                    let why = format!("it is no YAML: {error}");
                    self.stays(number, &place, why);
                    continue;
                }
            };
            if self.attempts.len() == attempts {
                self.stays(number, &place, "nothing in it is known to this program".to_owned());
            }
            if after == before {
                continue;
            }
            let replace = ReplaceOperation { path: pointer, value: after.into() };
            let patch = Patch(vec![PatchOperation::Replace(replace)]);
            match edit::apply(&text, &value, &patch) {
                Ok(edited) => {
                    let _ = json_patch::patch(&mut value, &patch);
                    text = edited;
                }
                Err(reason) => {
                    self.undo(attempts, &format!("{NOT_IN_PLACE} because of {reason}"));
                    self.profiles = profiles;
                }
            }
        }
        text
    }

    fn inner(&mut self, number: usize, place: &str, text: &str) -> Result<String, ManifestError> {
        documents(text).into_iter().map(|inner| self.document(number, place, inner)).collect()
    }

    /// What has been migrated since there were `count` attempts stays after all.
    fn undo(&mut self, count: usize, reason: &str) {
        for attempt in self.attempts.iter_mut().skip(count) {
            if attempt.result.is_ok() {
                attempt.result = Err(vec![reason.to_owned()]);
            }
        }
    }

    fn stays(&mut self, number: usize, place: &str, reason: String) {
        let subject = format!("{place}text");
        self.attempts.push(Attempt { number, subject, result: Err(vec![reason]) });
    }

    /// Does to `text`, and to `value`, which it says, what takes a source's place.
    ///
    /// # Errors
    /// Why it cannot be done there, and what is to be done by hand.
    fn carried_out(
        &mut self,
        text: &mut String,
        value: &mut Value,
        plan: Replacement,
    ) -> Result<Migrated, Vec<String>> {
        let Replacement { source, name, profile, changes, mut notes, lost, pods } = plan;
        let yaml = |pod: &Value| serde_saphyr::to_string(pod).unwrap_or_default();
        let pods = [yaml(&pods[0]), profile.as_written(&yaml(&pods[1]))];
        self.profiles.add(&name, profile);
        let (mut edited, mut after) = (text.clone(), value.clone());
        for patch in [&changes.added, &changes.taken] {
            edited = edit::apply(&edited, &after, patch)
                .map_err(|reason| by_hand(&reason, &name, &changes))?;
            // It was applied when it was planned.
            let _ = json_patch::patch(&mut after, patch);
        }
        let gone = comments(text).saturating_sub(comments(&edited));
        if gone > 0 {
            notes.push(format!("comments that went with what was removed: {gone}"));
        }
        (*text, *value) = (edited, after);
        Ok(Migrated { source, profile: name, done: changes.words, lost, notes, pods })
    }
}

const NOT_IN_PLACE: &str = "its document cannot be edited in place";

/// What is to be done to a document that this program cannot edit.
fn by_hand(reason: &NotInPlace, profile: &str, changes: &Changes) -> Vec<String> {
    let first = format!("{NOT_IN_PLACE} because of {reason}; by hand, with profile {profile:?}:");
    std::iter::once(first).chain(changes.words.iter().cloned()).collect()
}
