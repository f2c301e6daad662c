//! `migrate`: the file goes to standard output, what there is to say to standard
//! error, and the profiles to a file of their own if they are to.

use std::{fs, io::Write as _, path::Path, process::ExitCode};

use cli::migrate;

use super::streams::{CommandError, finish, name, say, text, write};
use crate::arguments::Migrate;

/// Writes the manifests without hand-written sidecars; all that there is to say
/// goes to standard error, and the profile last, to be pasted.
pub(crate) fn migrate(arguments: &Migrate) -> ExitCode {
    let Migrate { filename, profile, profile_to, diff } = arguments;
    finish(text(filename).and_then(|text| {
        let migration = migrate::migrate(&text, profile).map_err(|source| {
            if TEMPLATES.iter().any(|mark| text.contains(mark)) {
                say(&"a template is no YAML: migrate its values, or what helm template prints");
            }
            CommandError::Manifests { file: name(filename), source }
        })?;
        let values = migration.values();
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
        match (values.as_str(), apart) {
            ("", _) if migration.attempts.is_empty() => say(&"nothing to migrate"),
            ("", _) => {}
            (_, Some(path)) => say(&format!("\n# {}: {FOR_THE_CHART}", path.display())),
            (values, None) => say(&format!("\n# {FOR_THE_CHART}\n{values}")),
        }
        Ok(if migration.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }))
}

/// What the profile is.
const FOR_THE_CHART: &str = "for the values of prom-remotewrite's own chart";

/// What is in a text that another program makes YAML of.
const TEMPLATES: [&str; 3] = ["{{", "${", "<<EOF"];

/// To a file that is not there yet: it may be values that somebody needs.
fn write_new(path: &Path, text: &str) -> Result<(), CommandError> {
    let mut options = fs::OpenOptions::new();
    let created = options.write(true).create_new(true).open(path);
    created
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| CommandError::File(name(path), error))
}
