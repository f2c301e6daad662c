//! `migrate`: the file goes to standard output, the report to standard error, and the
//! profiles to a file of their own if they are to.

use std::{
    fs,
    io::{Error, ErrorKind, Write as _},
    path::Path,
    process::ExitCode,
};

use cli::{
    manifests::ManifestError,
    migrate::{self, Profiles},
};

use super::streams::{CommandError, exit_code, name, say, text, write};
use crate::arguments::Migrate;

/// Writes the manifests without hand-written sidecars; the report goes to standard error,
/// with the profile last, to be pasted.
pub(crate) fn migrate(arguments: &Migrate) -> ExitCode {
    let Migrate { filename, profile, release_values, profile_to, diff } = arguments;
    exit_code(text(filename).and_then(|text| {
        let profiles = profiles(profile, release_values.as_deref())?;
        let is_known = !profiles.is_empty();
        let migration =
            migrate::migrate(&text, profiles).map_err(|source| unreadable(filename, source))?;
        let values = migration.profiles.values();
        // First, since without its profile the rest is of no use.
        let apart = profile_to.as_deref().filter(|_| !values.is_empty());
        apart.map(|path| write_new(path, &values)).transpose()?;
        write(&migration.text)?;
        for attempt in &migration.attempts {
            say(attempt);
            if let (true, Ok(migrated)) = (diff, &attempt.result) {
                say(&migrated.comparison());
            }
        }
        for note in &migration.notes {
            say(&format!("note: {note}"));
        }
        if !is_known && !values.is_empty() {
            say(&RELEASE);
        }
        match (values.as_str(), apart) {
            // A note may explain why nothing is seen: a file is encrypted.
            ("", _) if migration.attempts.is_empty() && migration.notes.is_empty() => {
                say(&"nothing to migrate");
            }
            ("", _) => {}
            (_, Some(path)) => say(&format!("\n# {}: {FOR_THE_CHART}", path.display())),
            (values, None) => say(&format!("\n# {FOR_THE_CHART}\n{values}")),
        }
        Ok(if migration.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }))
}

/// What the profile is.
const FOR_THE_CHART: &str = "for the values of prom-remotewrite's own chart";

/// What happens to a profile whose name a release has already.
const RELEASE: &str = "note: Helm merges a profile into one of the same name that the release has already; with --release-values FILE (as helm get values prints them) the new one gets a name that is free";

fn unreadable(path: &Path, source: ManifestError) -> CommandError {
    CommandError::Manifests { file: name(path), source }
}

/// The profiles so far: those of the release, if its values are given.
fn profiles(first: &str, release: Option<&Path>) -> Result<Profiles, CommandError> {
    let values = release.map(text).transpose()?.unwrap_or_default();
    let named = release.unwrap_or(Path::new(""));
    Profiles::new(first, &values).map_err(|source| unreadable(named, source))
}

/// To a file that is not there yet: it may be values that someone needs.
fn write_new(path: &Path, text: &str) -> Result<(), CommandError> {
    let mut options = fs::OpenOptions::new();
    let created = options.write(true).create_new(true).open(path);
    let created = created.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Error::new(error.kind(), "it exists already: name a new file"),
        _ => error,
    });
    created
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| CommandError::File(name(path), error))
}
