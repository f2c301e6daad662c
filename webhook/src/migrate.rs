//! From what people have today to an annotation and a profile: Microsoft's
//! container written by hand, Azure/aad-auth-proxy beside Prometheus, and
//! Prometheus' own `azuread` block.
//!
//! ```text
//! sites      where a document describes a Prometheus
//! source     what takes its samples to Azure today → variables
//! plan       settings → profile → changes; the changed pod goes through decide,
//!            inject and patch, and is compared with the pod before
//! edit       the changes as an edit of the text
//! ```
//!
//! # Invariants
//!
//! * What is ambiguous, unknown or cannot be carried over as it is stays where
//!   it is and is named: a site is migrated as a whole or not at all.
//! * Every field of the pod before is the same afterwards, accounted for, or
//!   reported as lost; nobody has to have thought of it.
//! * The sidecar's settings are the same before and after, by the sidecar's own
//!   reader.
//! * The result migrates to itself.

mod auth_proxy;
mod changes;
mod check;
mod compare;
mod files;
mod hints;
mod leftovers;
mod loopback;
mod native;
mod placeholder;
mod plan;
mod profile;
mod report;
mod resources;
mod sites;
mod source;
#[cfg(test)]
mod tests;
mod variables;

use contract::annotations::DEFAULT_PROFILE;
use serde_json::Value;

use crate::offline::{
    OfflineError,
    documents::{comments, documents},
    edit, parse,
};
pub use compare::{Row, Verdict};
use plan::{Plan, plan};
use profile::Profile;
use sites::{Accounts, Site, account, sites};

/// A text without hand-written sidecars, and all there is to say about it.
#[derive(Debug)]
pub struct Migration {
    /// The whole text.
    pub text: String,
    /// Everything that is, or looks like, a way to Azure.
    pub outcomes: Vec<Outcome>,
    profiles: Profiles,
}

/// What became of one way to Azure.
#[derive(Debug)]
pub struct Outcome {
    /// Which document, from 1.
    pub number: usize,
    /// What it is in there.
    pub subject: String,
    /// What became of it.
    pub result: Result<Migrated, Vec<String>>,
}

/// What was done at one place.
#[derive(Debug)]
pub struct Migrated {
    /// What is gone.
    pub source: String,
    /// The profile that takes its place.
    pub profile: String,
    /// What was done.
    pub done: Vec<String>,
    /// What is to be known, or to be done.
    pub notes: Vec<String>,
    /// The pods before and after, field by field.
    pub rows: Vec<Row>,
}

/// The profiles so far, in the order in which they were needed.
#[derive(Debug)]
struct Profiles {
    first: String,
    all: Vec<(String, Profile)>,
}

/// What is mentioned by everything that can be migrated, in small letters.
const MARKS: [&str; 5] = [
    "prom-remotewrite",
    "prometheus-remote-write/images",
    "ingestion_url",
    "azuread",
    "aad-auth-proxy",
];

impl Migration {
    /// Whether something is left for a person: what stays as it is, and what is
    /// lost.
    pub fn is_whole(&self) -> bool {
        self.outcomes.iter().all(|outcome| match &outcome.result {
            Ok(migrated) => {
                !migrated.rows.iter().any(|row| matches!(row.verdict, Verdict::Lost(_)))
            }
            Err(_) => false,
        })
    }
}

/// Migrates every document of `text`; the first profile is named `profile`.
///
/// # Errors
/// Where a document that mentions a sidecar is no YAML.
pub fn migrate(text: &str, profile: &str, version: &str) -> Result<Migration, OfflineError> {
    let documents: Vec<(usize, &str)> = (1..).zip(documents(text)).collect();
    let mut described = Vec::new();
    for (number, document) in &documents {
        if document.contains("azure.workload.identity/client-id") {
            described.push(parse(*number, document)?);
        }
    }
    let accounts: Accounts<'_> = described.iter().filter_map(account).collect();
    let profiles = Profiles { first: profile.to_owned(), all: Vec::new() };
    let mut migration = Migration { text: String::new(), outcomes: Vec::new(), profiles };
    for (number, document) in documents {
        let lower = document.to_lowercase();
        if MARKS.iter().any(|mark| lower.contains(mark)) {
            let value = parse(number, document)?;
            let text = migration.document(number, document, value, &accounts, version);
            migration.text.push_str(&text);
        } else {
            migration.text.push_str(document);
        }
    }
    Ok(migration)
}

impl Migration {
    fn document(
        &mut self,
        number: usize,
        document: &str,
        mut value: Value,
        accounts: &Accounts<'_>,
        version: &str,
    ) -> String {
        let original = value.clone();
        let mut text = document.to_owned();
        let mut stays = Vec::new();
        for site in sites(&original, accounts) {
            let Some(planned) = plan(&site, &value, &self.profiles, version) else { continue };
            let subject = site.subject.clone();
            let result = planned.inspect_err(|_| stays.push(site.path.clone())).map(|plan| {
                let before = comments(&text);
                for patch in [&plan.changes.added, &plan.changes.taken] {
                    text = edit::apply(&text, &value, patch);
                    // It was applied when it was planned.
                    let _ = json_patch::patch(&mut value, patch);
                }
                self.done(plan, before.saturating_sub(comments(&text)))
            });
            self.outcomes.push(Outcome { number, subject, result });
        }
        for (subject, reason) in leftovers::leftovers(&value, &stays) {
            self.outcomes.push(Outcome { number, subject, result: Err(vec![reason]) });
        }
        text
    }

    fn done(&mut self, plan: Plan, comments: usize) -> Migrated {
        let Plan { source, name, profile, changes, mut notes, rows } = plan;
        if comments > 0 {
            notes.push(format!("comments that went with what was removed: {comments}"));
        }
        self.profiles.add(&name, profile);
        Migrated { source, profile: name, done: changes.words, notes, rows }
    }
}

impl Profiles {
    /// The name of a profile: of the same one, of the first, or of the object.
    fn name_of(&self, profile: &Profile, site: &Site<'_>) -> String {
        if let Some((name, _)) = self.all.iter().find(|(_, other)| other == profile) {
            return name.clone();
        }
        let wish = if self.all.is_empty() { self.first.as_str() } else { site.name() };
        let wish = if wish.is_empty() { DEFAULT_PROFILE } else { wish };
        let taken = |name: &str| self.all.iter().any(|(other, _)| other == name);
        let numbered = (2_u32..).map(|number| format!("{wish}-{number}"));
        std::iter::once(wish.to_owned())
            .chain(numbered)
            .find(|name| !taken(name))
            .unwrap_or_default()
    }

    fn add(&mut self, name: &str, profile: Profile) {
        if !self.all.iter().any(|(other, _)| other == name) {
            self.all.push((name.to_owned(), profile));
        }
    }
}
