//! What is said about a migration.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use super::{Attempt, Difference, Migrated, Migration, Row, compare};

/// What the profile and the list of what was done say already.
const QUIET: [&str; 6] = [
    compare::SAME_SETTINGS,
    compare::MOUNTS,
    compare::BRINGS,
    compare::NAME,
    compare::IN_PROFILE,
    compare::EMPTY,
];

/// Parts of a container that are told as a whole.
const SHAPES: [&str; 3] = ["securityContext", "startupProbe", "restartPolicy"];

impl Migration {
    /// The profiles as part of the chart's values; empty where there are none.
    pub fn values(&self) -> String {
        let mut text = String::new();
        if self.profiles.all.is_empty() {
            return text;
        }
        text.push_str("config:\n  profiles:\n");
        for (name, profile) in &self.profiles.all {
            let _ = write!(text, "    {}:\n{}", super::new_profile::scalar(name), profile.shown(6));
        }
        text
    }
}

/// The object and a line for each thing that is to be said.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "document {}: {} ", self.number, self.subject)?;
        match &self.result {
            Ok(migrated) => migrated.fmt(f),
            Err(reasons) => {
                writeln!(f, "stays as it is")?;
                reasons.iter().try_for_each(|reason| writeln!(f, "  because  {reason}"))
            }
        }
    }
}

impl fmt::Display for Migrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "gets profile {:?} in place of {}", self.profile, self.source)?;
        for words in &self.done {
            writeln!(f, "  done     {words}")?;
        }
        for words in differences(&self.rows) {
            writeln!(f, "  differs  {words}")?;
        }
        for row in self.rows.iter().filter(|row| matches!(row.verdict, Difference::Lost(_))) {
            writeln!(f, "  lost     {}", row.to_string().trim_start_matches("- "))?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "  note     {note}"))
    }
}

impl Migrated {
    /// The comparison as lines: what is the same, more (+), other (~), lost (-).
    pub fn comparison(&self) -> String {
        self.rows.iter().fold(String::new(), |text, row| text + &format!("{row}\n"))
    }
}

/// What is other than before: amounts one by one, anything else by its first
/// name.
fn differences(rows: &[Row]) -> Vec<String> {
    let mut words = Vec::new();
    let mut told = BTreeSet::new();
    for row in rows {
        let Some(field) = row.path.strip_prefix("sidecar.") else { continue };
        let root = field.split(['.', '[']).next().unwrap_or_default();
        match row.verdict {
            Difference::Added if root == "resources" => {
                words.push(format!("{field} is new: {}", row.after.as_deref().unwrap_or_default()));
            }
            Difference::Added if SHAPES.contains(&root) && told.insert((root, "")) => {
                words.push(format!("{root} is new"));
            }
            Difference::Replaced(why) if !QUIET.contains(&why) && told.insert((root, why)) => {
                told.insert((root, ""));
                words.push(format!("{root}: {why}"));
            }
            _ => {}
        }
    }
    words
}
