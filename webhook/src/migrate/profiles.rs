//! The profiles of a whole file, and their names.

use contract::annotations::DEFAULT_PROFILE;

use super::{profile::Profile, sites::Site};

/// The profiles so far, in the order in which they were needed.
#[derive(Debug)]
pub(super) struct Profiles {
    /// The name of the first.
    pub(super) first: String,
    /// Each with its name.
    pub(super) all: Vec<(String, Profile)>,
}

impl Profiles {
    /// The name of a profile: of the same one, of the first, or of the object.
    pub(super) fn name_of(&self, profile: &Profile, site: &Site<'_>) -> String {
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

    /// Adds a profile, unless it is there.
    pub(super) fn add(&mut self, name: &str, profile: Profile) {
        if !self.all.iter().any(|(other, _)| other == name) {
            self.all.push((name.to_owned(), profile));
        }
    }
}
