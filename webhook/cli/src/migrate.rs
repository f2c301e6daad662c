//! From what people have today to an annotation and a profile: Microsoft's
//! container written by hand, Azure/aad-auth-proxy beside Prometheus, and
//! Prometheus' own `azuread` block.
//!
//! ```text
//! sites        where a document describes a Prometheus
//! source       what takes its samples to Azure today → variables
//! replacement  settings → profile → changes; the changed pod goes through decide,
//!              inject and patch, and is compared with the pod before
//! rewrite      the changes as an edit of the text
//! ```
//!
//! # Invariants
//!
//! * What is ambiguous, unknown or cannot be carried over as it is stays where
//!   it is and is named: a site is migrated as a whole or not at all.
//! * Every field of the container before is accounted for, or reported as lost;
//!   nobody has to have thought of it.
//! * The sidecar's settings are the same before and after, by the sidecar's own
//!   reader.
//! * The result migrates to itself.

mod amounts;
mod auth_proxy;
mod changes;
mod diff;
mod display;
mod hints;
mod leftovers;
mod lost;
mod mounted_files;
mod mounts;
mod native;
mod new_profile;
mod placeholder;
mod pods;
mod profiles;
mod proof;
mod read;
mod replacement;
mod rewrite;
mod sites;
mod source;
#[cfg(test)]
mod tests;
mod variables;

use crate::{manifests::ManifestError, yaml::documents};
use profiles::Profiles;
pub use profiles::profile_name;
use rewrite::Rewrite;

/// A text without hand-written sidecars, and all there is to say about it.
#[derive(Debug)]
pub struct Migration {
    /// The whole text.
    pub text: String,
    /// Everything that is, or looks like, a way to Azure.
    pub attempts: Vec<Attempt>,
    profiles: Profiles,
}

/// What became of one way to Azure.
#[derive(Debug)]
pub struct Attempt {
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
    /// What of it nothing takes the place of.
    pub lost: Vec<String>,
    /// The pods before and after, as YAML.
    pods: [String; 2],
}

impl Migration {
    /// Whether something is left for a person: what stays as it is, and what is
    /// lost.
    pub fn is_whole(&self) -> bool {
        self.attempts.iter().all(|attempt| match &attempt.result {
            Ok(migrated) => migrated.lost.is_empty(),
            Err(_) => false,
        })
    }
}

/// Migrates every document of `text`; the first profile is named `profile`.
///
/// # Errors
/// Where a document is no YAML.
pub fn migrate(text: &str, profile: &str) -> Result<Migration, ManifestError> {
    let documents = (1..).zip(documents(text));
    let profiles = Profiles { first: profile.to_owned(), all: Vec::new() };
    let mut run = Rewrite { attempts: Vec::new(), profiles };
    let mut text = String::new();
    for (number, document) in documents {
        text.push_str(&run.document(number, "", document)?);
    }
    let Rewrite { mut attempts, profiles } = run;
    if let Some(mark) = leftovers::mark(&text).filter(|_| attempts.is_empty()) {
        let reason = format!(
            "it has {mark:?} in no form that is known: of Terraform, Bicep, a script or a template, migrate the YAML that it makes"
        );
        let subject = "the text".to_owned();
        attempts.push(Attempt { number: 1, subject, result: Err(vec![reason]) });
    }
    Ok(Migration { text, attempts, profiles })
}
