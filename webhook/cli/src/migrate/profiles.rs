//! The profiles of a whole file, and their names.

use contract::annotations::{DEFAULT_PROFILE, PROFILE};
use serde_json::Value;

use super::{new_profile::NewProfile, sites::Site};

/// The profiles so far, in the order in which they were needed.
#[derive(Clone, Debug)]
pub(super) struct Profiles {
    /// The name of the first.
    pub(super) first: String,
    /// Each with its name.
    pub(super) all: Vec<(String, NewProfile)>,
}

/// A profile's name, as it can stand everywhere: as a key in YAML, in an
/// annotation and in `helm --set`.
///
/// # Errors
/// What is accepted.
pub fn profile_name(text: &str) -> Result<String, String> {
    let ends = [text.chars().next(), text.chars().next_back()];
    let fits = text.len() <= MAX_NAME_BYTES
        && ends.iter().all(|end| end.is_some_and(|end| end.is_ascii_alphanumeric()))
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    fits.then(|| text.to_owned()).ok_or_else(|| {
        format!("expected at most {MAX_NAME_BYTES} letters, digits, - and _, as in team-a")
    })
}

/// As long as the names of most objects.
const MAX_NAME_BYTES: usize = 63;

impl Profiles {
    /// The name of a profile: the one that the pod asks for already, that of
    /// the same profile, the first, or the object's.
    ///
    /// # Errors
    /// Where the pod asks for a profile that is another here.
    pub(super) fn name_of(&self, profile: &NewProfile, site: &Site<'_>) -> Result<String, String> {
        let known = |name: &str| self.all.iter().find(|(other, _)| other == name);
        if let Some(asked) = site.annotation(PROFILE).and_then(Value::as_str) {
            return match known(asked) {
                Some((_, other)) if other != profile => Err(format!(
                    "its annotation {PROFILE} is {asked:?}, and this profile has other settings, which an object above needs: one of the two has to get another name"
                )),
                _ => Ok(asked.to_owned()),
            };
        }
        if let Some((name, _)) = self.all.iter().find(|(_, other)| other == profile) {
            return Ok(name.clone());
        }
        let wish = if self.all.is_empty() { self.first.as_str() } else { site.name() };
        let wish = profile_name(wish).unwrap_or_else(|_| DEFAULT_PROFILE.to_owned());
        let numbered = (2_u32..).map(|number| format!("{wish}-{number}"));
        let mut names = std::iter::once(wish.clone()).chain(numbered);
        Ok(names.find(|name| known(name).is_none()).unwrap_or_default())
    }

    /// Adds a profile, unless it is there.
    pub(super) fn add(&mut self, name: &str, profile: NewProfile) {
        if !self.all.iter().any(|(other, _)| other == name) {
            self.all.push((name.to_owned(), profile));
        }
    }
}
