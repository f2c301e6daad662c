//! Which profiles a pod chooses. The first one is the sidecar's and its unnamed
//! destination's, each further one a destination of its name.

use contract::{
    DestinationName, InvalidValue, MAX_DESTINATIONS, SettingError,
    annotations::{self, PROFILE},
    did_you_mean,
};

use crate::config::{Config, Profile};

/// The profiles that a pod chooses, as far as they exist.
#[derive(Default)]
pub(super) struct Chosen<'a> {
    /// The first one: `None` where it does not exist, and without settings where the
    /// pod names none and there is none for such pods.
    pub(super) first: Option<(&'a str, Option<&'a Profile>)>,
    /// The further ones, in the pod's order.
    pub(super) further: Vec<(DestinationName, &'a Profile)>,
    /// The errors in the list.
    pub(super) errors: Vec<SettingError>,
}

/// The profiles that `value` names, which is what the pod's annotation says.
pub(super) fn chosen<'a>(config: &'a Config, value: Option<&'a str>) -> Chosen<'a> {
    let mut chosen = Chosen::default();
    let Some(value) = value else {
        let name = annotations::DEFAULT_PROFILE;
        chosen.first = Some((name, config.profiles.get(name)));
        return chosen;
    };
    for (index, name) in annotations::profile_names(value).enumerate() {
        if index == MAX_DESTINATIONS {
            // No one looks at the rest of a list of any length.
            let expected = format!("at most {MAX_DESTINATIONS} profiles");
            chosen.errors.push(InvalidValue::expected(expected).at(PROFILE, value));
            break;
        }
        if let Err(error) = chosen.take(config, value, index, name)
            && !chosen.errors.contains(&error)
        {
            chosen.errors.push(error);
        }
    }
    chosen
}

impl<'a> Chosen<'a> {
    /// Takes the name at `index` of `value`.
    fn take(
        &mut self,
        config: &'a Config,
        value: &str,
        index: usize,
        name: &'a str,
    ) -> Result<(), SettingError> {
        let mut before = annotations::profile_names(value).take(index);
        if name.is_empty() {
            let expected = "the name of a profile before and after each comma";
            return Err(InvalidValue::expected(expected).at(PROFILE, value));
        }
        if before.clone().any(|other| other == name) {
            return Err(InvalidValue::expected("each profile once").at(PROFILE, name));
        }
        let profile = config.profiles.get(name).ok_or_else(|| {
            // List all names only once: a denial shows as an event of 1024 bytes.
            let is_known = |name: &str| name.is_empty() || config.profiles.contains_key(name);
            unknown(config, name, before.all(is_known))
        })?;
        if index == 0 {
            self.first = Some((name, Some(profile)));
            return Ok(());
        }
        // The first profile's name is nowhere in the sidecar, so it may be any.
        let destination = name.parse().map_err(|InvalidValue { expected, suggestion }| {
            let expected =
                format!("a further profile by a name that a destination can have: {expected}");
            InvalidValue { expected, suggestion }.at(PROFILE, name)
        })?;
        self.further.push((destination, profile));
        Ok(())
    }
}

fn unknown(config: &Config, name: &str, lists_names: bool) -> SettingError {
    let known = || config.profiles.keys().map(String::as_str);
    let expected = match known().collect::<Vec<_>>().as_slice() {
        [] => "no profile: the webhook's configuration has none".to_owned(),
        _ if !lists_names => "a profile of the webhook's configuration".to_owned(),
        names => format!("a profile of the webhook's configuration: {}", names.join(", ")),
    };
    let suggestion = did_you_mean(name, known());
    InvalidValue { expected, suggestion }.at(PROFILE, name)
}
