//! What is said about a migration.

use std::fmt::{self, Write as _};

use super::{Attempt, Migrated, Migration, diff::diff, new_profile::scalar};

impl Migration {
    /// The profiles as part of the chart's values; empty where there are none.
    pub fn values(&self) -> String {
        let mut text = String::new();
        if self.profiles.all.is_empty() {
            return text;
        }
        text.push_str("config:\n  profiles:\n");
        for (name, profile) in &self.profiles.all {
            let _ = write!(text, "    {}:\n{}", scalar(name), profile.shown(6));
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
        for (mark, words) in [("done", &self.done), ("lost", &self.lost), ("note", &self.notes)] {
            words.iter().try_for_each(|words| writeln!(f, "  {mark}     {words}"))?;
        }
        Ok(())
    }
}

impl Migrated {
    /// The pods before and after, as a diff of their YAML.
    pub fn comparison(&self) -> String {
        let [before, after] = &self.pods;
        diff(before, after)
    }
}
