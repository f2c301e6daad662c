//! From what people have today to an annotation and a profile: Microsoft's
//! container written by hand, Azure/aad-auth-proxy beside Prometheus, and
//! Prometheus' own `azuread` block.
//!
//! ```text
//! elsewhere    what the file says beside its sites
//! workloads::sites
//!              where a document describes a Prometheus: one Form for each language
//! source       what takes its samples to Azure today → variables
//! plan         settings → profile, for each source: the destinations of one sidecar
//! replacement  changes; the changed pod goes through decide, inject and patch, and is
//!              compared with the pod before
//! document     the changes as an edit of the text
//! leftovers    what looks like a source, and is at no place that is known
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

mod auth_proxy;
mod changes;
mod document;
mod elsewhere;
mod files;
mod leftovers;
mod losses;
mod native;
mod new_profiles;
mod plan;
mod replacement;
mod source;
#[cfg(test)]
mod tests;
mod variables;

use std::fmt;

use crate::{
    manifests::ManifestError,
    yaml::{documents, read},
};
use elsewhere::Elsewhere;
pub use new_profiles::Profiles;

/// Something, or why there is nothing: one sentence each.
type OrReasons<T> = Result<T, Vec<String>>;

/// A text without hand-written sidecars, and all there is to say about it.
#[derive(Clone, Debug, Default)]
pub struct Migration {
    /// The whole text.
    pub text: String,
    /// Everything that is, or looks like, a way to Azure.
    pub attempts: Vec<Attempt>,
    /// What is to be known about the rest of the text.
    pub notes: Vec<String>,
    /// The profiles that the text needs.
    pub profiles: Profiles,
    /// What other parts of the file say about its sites.
    elsewhere: Elsewhere,
}

/// What became of one way to Azure.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Which document it is in, from 1, and what it is there.
    pub subject: String,
    /// What became of it, or why it stays.
    pub result: OrReasons<Migrated>,
}

/// What was done at one place.
#[derive(Clone, Debug)]
pub struct Migrated {
    /// What is gone, one or several.
    pub source: String,
    /// The profile that takes its place; of several, their list.
    pub profile: String,
    /// What is to be known, or to be done.
    pub notes: Vec<String>,
    /// What of it nothing takes the place of.
    pub lost: Vec<String>,
    /// The pods before and after, as YAML.
    pods: [String; 2],
}

impl Migration {
    /// Whether nothing is left for a person: what stays as it is, and what is
    /// lost.
    pub fn is_whole(&self) -> bool {
        self.attempts
            .iter()
            .all(|attempt| attempt.result.as_ref().is_ok_and(|migrated| migrated.lost.is_empty()))
    }
}

impl Migrated {
    /// The pods before and after, as a diff of their YAML.
    pub fn comparison(&self) -> String {
        let [before, after] = &self.pods;
        similar::TextDiff::from_lines(before, after).unified_diff().to_string()
    }
}

/// The object and a line for each warning and hint.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.subject)?;
        match &self.result {
            Ok(Migrated { source, profile, lost, notes, .. }) => {
                writeln!(f, "gets profile {profile:?} in place of {source}")?;
                lost.iter().try_for_each(|words| writeln!(f, "  lost     {words}"))?;
                notes.iter().try_for_each(|words| writeln!(f, "  note     {words}"))
            }
            Err(reasons) => {
                writeln!(f, "stays as it is")?;
                reasons.iter().try_for_each(|words| writeln!(f, "  because  {words}"))
            }
        }
    }
}

/// Migrates every document of `text`, with `profiles`.
///
/// # Errors
/// Where a document is no YAML.
pub fn migrate(text: &str, profiles: Profiles) -> Result<Migration, ManifestError> {
    let documents = documents(text);
    let mut migration = Migration { profiles, ..Migration::default() };
    for (number, document) in (1..).zip(&documents) {
        let value = read(document).unwrap_or_default();
        migration.elsewhere.document = number;
        migration.elsewhere.read("", &value, &mut migration.profiles);
        if value.pointer("/sops/mac").is_some() {
            migration.notes.push(format!("document {number} is encrypted by sops, whose checksum covers all of it: decrypt it, migrate it, and encrypt it again"));
        }
    }
    let said = |migration: &Migration| migration.attempts.len() + migration.notes.len();
    for (number, document) in (1..).zip(documents) {
        migration.elsewhere.document = number;
        let before = said(&migration);
        let document = migration.document(&format!("document {number}: "), document, text)?;
        if let Some((line, _, mark)) = leftovers::marks(&document).next()
            && said(&migration) == before
        {
            migration.notes.push(format!("document {number}, line {line}: {mark:?} is there, but not where this command looks: migrate it by hand if it is in use, and not a comment or a field that the cluster sets"));
        }
        migration.text.push_str(&document);
    }
    Ok(migration)
}
