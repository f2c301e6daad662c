//! A sidecar's destinations, read from its environment and written to one.

mod links;
mod read;
#[cfg(test)]
mod tests;
mod warnings;
mod write;

use crate::{Destination, Limits, SettingError, Settings};

/// All destinations of a sidecar: one or several, the unnamed one first, the others
/// in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destinations {
    first: Destination,
    others: Vec<Destination>,
    warnings: Vec<String>,
}

impl Destinations {
    /// These, the first of which is the unnamed one if there is one.
    pub fn new(first: Destination, others: Vec<Destination>) -> Self {
        Self { first, others, warnings: Vec::new() }
    }

    /// Reads an environment. Without a suffixed variable, it is what
    /// [`Settings::from_env`] reads. A destination takes from the unnamed one what it
    /// does not set itself; a password belongs to its certificate, so it is not taken
    /// where the certificate is another one.
    ///
    /// # Errors
    /// Every error of every destination, not only the first: each once, with the
    /// variable in which it was found.
    pub fn from_env(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Vec<SettingError>> {
        read::read(variables)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Destination> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// How many there are: never 0.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        1 + self.others.len()
    }

    /// Whatever concerns the whole sidecar, which is the same for each of them.
    pub const fn sidecar(&self) -> &Settings {
        &self.first.settings
    }

    /// The limits of one destination. What bounds memory is divided evenly, so the
    /// sidecar needs no more of it for several, and none takes another's.
    pub fn limits(&self) -> Limits {
        self.sidecar().limits.divided(self.len())
    }

    /// What looks wrong beside what [`Settings::destination_warnings`] says of each: one
    /// sentence each.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.iter().cloned().chain(self.sidecar().sidecar_doubts()).collect()
    }
}
