//! Documents one after the other, and the texts in them that are files of their
//! own.

use json_patch::{
    Patch, PatchOperation, ReplaceOperation,
    jsonptr::{PointerBuf, Token},
};
use serde_json::Value;

use super::{
    Attempt, Migrated, leftovers,
    profiles::Profiles,
    read,
    replacement::{Replacement, replacement},
    sites::{Accounts, sites},
};
use crate::{
    manifests::ManifestError,
    yaml::{comments, documents, edit},
};

/// What is mentioned by everything that can be migrated, in small letters; also
/// ways into values, and Secrets, whose texts are encoded.
const MARKS: [&str; 9] = [
    "prometheusspec.",
    "kind: secret",
    "\"kind\": \"secret\"",
    "\"kind\":\"secret\"",
    "prom-remotewrite",
    "prometheus-remote-write/images",
    "ingestion_url",
    "azuread",
    "aad-auth-proxy",
];

/// One migration on its way.
pub(super) struct Rewrite<'a> {
    /// What has been done or left so far.
    pub(super) attempts: Vec<Attempt>,
    /// The profiles that it takes.
    pub(super) profiles: Profiles,
    /// The file's service accounts.
    pub(super) accounts: Accounts<'a>,
}

impl Rewrite<'_> {
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
        let encoded = leftovers::encoded(&value).into_iter().map(|subject| {
            let why = "it is base64: migrate what it is made of, or what `base64 -d` prints";
            (subject, why.to_owned())
        });
        for (subject, reason) in leftovers::leftovers(&value, &stays).into_iter().chain(encoded) {
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
        for site in sites(&original, &self.accounts.clone()) {
            let Some(planned) = replacement(&site, value, &self.profiles) else { continue };
            let subject = format!("{place}{}", site.subject);
            let result = planned.and_then(|mut plan| {
                let (edited, note) = edited(&text, value, &plan)?;
                for patch in [&plan.changes.added, &plan.changes.taken] {
                    // It was applied when it was planned.
                    let _ = json_patch::patch(value, patch);
                }
                text = edited;
                plan.notes.extend(note);
                Ok(self.done(plan))
            });
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
            let (edited, in_place) = edit::in_place_or_anew(&text, &value, &patch);
            match loss(&text, &edited, in_place) {
                Ok(lost) => {
                    if let (false, Some(lost)) = (in_place, lost) {
                        self.note(attempts, &lost);
                    }
                    let _ = json_patch::patch(&mut value, &patch);
                    text = edited;
                }
                Err(reason) => {
                    self.undo(attempts, &reason);
                    self.profiles = profiles;
                }
            }
        }
        text
    }

    fn inner(&mut self, number: usize, place: &str, text: &str) -> Result<String, ManifestError> {
        documents(text).into_iter().map(|inner| self.document(number, place, inner)).collect()
    }

    /// Adds a note to what has been migrated since there were `count` attempts.
    fn note(&mut self, count: usize, note: &str) {
        let mut new = self.attempts.iter_mut().skip(count);
        if let Some(migrated) = new.find_map(|attempt| attempt.result.as_mut().ok()) {
            migrated.notes.push(note.to_owned());
        }
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

    fn done(&mut self, plan: Replacement) -> Migrated {
        let Replacement { source, name, profile, changes, notes, rows } = plan;
        self.profiles.add(&name, profile);
        Migrated { source, profile: name, done: changes.words, notes, rows }
    }
}

/// The text with a plan carried out, and what is to be said of its comments.
///
/// # Errors
/// Where it had to be written anew, and a number would be another.
fn edited(
    text: &str,
    value: &Value,
    plan: &Replacement,
) -> Result<(String, Option<String>), Vec<String>> {
    let mut value = value.clone();
    let (mut after, mut in_place) = (text.to_owned(), true);
    for patch in [&plan.changes.added, &plan.changes.taken] {
        let (edited, stayed) = edit::in_place_or_anew(&after, &value, patch);
        (after, in_place) = (edited, in_place && stayed);
        let _ = json_patch::patch(&mut value, patch);
    }
    let note = loss(text, &after, in_place).map_err(|reason| vec![reason])?;
    Ok((after, note))
}

/// What an edit took with it besides what it removed.
///
/// # Errors
/// Where a document had to be written anew, and a number would be another.
fn loss(before: &str, after: &str, in_place: bool) -> Result<Option<String>, String> {
    let gone = comments(before).saturating_sub(comments(after));
    if in_place {
        let note = format!("comments that went with what was removed: {gone}");
        return Ok((gone > 0).then_some(note));
    }
    let why = edit::anew::why(before);
    if let Some(line) = edit::anew::loses(before) {
        return Err(format!(
            "because of {why} its document would have to be written anew, and the number at line {line} is too long to stay the same: put it into quotes, or edit by hand"
        ));
    }
    Ok(Some(format!(
        "the document is written anew because of {why} and with it go anchors, layout and all comments: {gone}"
    )))
}
