//! What a pod's author writes.

use std::collections::BTreeMap;

use crate::{InvalidValue, Key, Overrides, SettingError, did_you_mean};

/// Every annotation of ours begins with this.
pub const PREFIX: &str = "prom-remotewrite/";
/// Opts a pod in (`"true"`) or out (`"false"`); see [`parse_inject`].
pub const INJECT: &str = "prom-remotewrite/inject";
/// Names the profile whose settings are the defaults, or several; see
/// [`profile_names`].
pub const PROFILE: &str = "prom-remotewrite/profile";
/// Written by the webhook: version and hash of the effective settings.
pub const INJECTED: &str = "prom-remotewrite/injected";
/// The profile of a pod that names none.
pub const DEFAULT_PROFILE: &str = "default";

/// A pod's annotations of ours, understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// Whether the pod asks for a sidecar; `None` where it says nothing.
    pub inject: Option<bool>,
    /// What [`PROFILE`] says, if it is there: see [`profile_names`].
    pub profile: Option<String>,
    /// What the webhook wrote, if it has been here.
    pub injected: Option<String>,
    /// The settings that the pod gives itself.
    pub overrides: Overrides,
}

/// Reads a pod's annotations; those without our prefix are not looked at.
///
/// An annotation under our prefix that does not exist is an error like any
/// other: a setting that is silently left out is found when data is missing.
pub fn parse<'a>(
    annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Annotations, Vec<SettingError>> {
    let ours: BTreeMap<&str, &str> =
        annotations.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    let mut parsed = Annotations::default();
    let mut errors = Vec::new();
    // List all names only once: a denial shows as an event, and an event holds 1024
    // bytes.
    let mut lists_names = true;
    for (name, value) in ours {
        if let Err(error) = parse_one(&mut parsed, name, value.trim(), lists_names) {
            lists_names &= error.suggestion.is_some() || is_known(name);
            errors.push(error);
        }
    }
    if errors.is_empty() { Ok(parsed) } else { Err(errors) }
}

/// The key that an annotation's full name stands for.
pub fn key(name: &str) -> Option<Key> {
    let short = name.strip_prefix(PREFIX)?;
    Key::ALL.iter().copied().find(|key| key.annotation() == short)
}

fn is_known(name: &str) -> bool {
    matches!(name, INJECT | PROFILE | INJECTED) || key(name).is_some()
}

fn parse_one(
    parsed: &mut Annotations,
    name: &str,
    value: &str,
    lists_names: bool,
) -> Result<(), SettingError> {
    match name {
        INJECT => {
            let inject = parse_inject(value).map_err(|error| error.at(name, value))?;
            parsed.inject = Some(inject.asks);
        }
        PROFILE if value.is_empty() => {
            return Err(InvalidValue::expected("the name of a profile").at(name, value));
        }
        PROFILE => parsed.profile = Some(value.to_owned()),
        INJECTED => parsed.injected = Some(value.to_owned()),
        _ => match key(name) {
            Some(key) => parsed
                .overrides
                .set(key, value)
                .map_err(|error| error.at(name, key.shown(value)))?,
            None => return Err(unknown(name, value, lists_names)),
        },
    }
    Ok(())
}

/// The profiles that a value of [`PROFILE`] names, in its order: the first one is the
/// sidecar's, each further one a destination of its name. An empty name is an error.
pub fn profile_names(value: &str) -> impl Iterator<Item = &str> + Clone {
    value.split(',').map(str::trim)
}

/// What the value of [`INJECT`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inject {
    /// Whether the pod asks for a sidecar.
    pub asks: bool,
    /// Whether the value is the documented `true` or `false`, and not another
    /// spelling of it.
    pub is_usual: bool,
}

/// Spellings of "no" that YAML, shells and templating tools produce. An opt-out
/// must never keep a pod from starting, so all of them are accepted; a value
/// that a template left out counts as none.
pub const NO: [&str; 15] = [
    "",
    "false",
    "no",
    "off",
    "0",
    "f",
    "n",
    "none",
    "null",
    "nil",
    "~",
    "<no value>",
    "<nil>",
    "disabled",
    "disable",
];
/// Spellings of "yes": what they mean is clear, too.
pub const YES: [&str; 8] = ["true", "yes", "on", "1", "t", "y", "enabled", "enable"];

/// Reads the value of [`INJECT`] in every spelling; blanks, quotation marks
/// around it and case are ignored.
///
/// # Errors
/// Where the value is neither a yes nor a no: `ture` may be either.
pub fn parse_inject(value: &str) -> Result<Inject, InvalidValue> {
    let value = value.trim();
    if matches!(value, "true" | "false") {
        return Ok(Inject { asks: value == "true", is_usual: true });
    }
    let word = value.trim_matches(['"', '\'', '\\']).trim().to_ascii_lowercase();
    if YES.contains(&word.as_str()) {
        Ok(Inject { asks: true, is_usual: false })
    } else if NO.contains(&word.as_str()) {
        Ok(Inject { asks: false, is_usual: false })
    } else {
        Err(InvalidValue::one_of(value, &["true", "false"]))
    }
}

/// The annotations under our prefix that do not exist, each as an error.
pub fn unknown_names<'a>(
    annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<SettingError> {
    annotations
        .into_iter()
        .filter(|(name, _)| name.starts_with(PREFIX) && !is_known(name))
        .map(|(name, value)| unknown(name, value.trim(), false))
        .collect()
}

fn unknown(name: &str, value: &str, lists_names: bool) -> SettingError {
    let short = name.strip_prefix(PREFIX).unwrap_or(name);
    let known = || Key::ALL.iter().map(|key| key.annotation()).chain(["inject", "profile"]);
    let suggestion = did_you_mean(short, known()).map(|name| format!("{PREFIX}{name}"));
    let expected = if suggestion.is_some() || !lists_names {
        "an annotation that exists".to_owned()
    } else {
        let names: Vec<&str> = known().collect();
        format!("an annotation that exists: one of {}", names.join(", "))
    };
    // What an unknown annotation holds may be a secret: its value is not shown.
    let shown = if value.is_empty() { "" } else { "…" };
    SettingError { name: name.to_owned(), value: Some(shown.to_owned()), expected, suggestion }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_of_others_are_not_looked_at() {
        let parsed = parse([("example.com/x", "\u{0}"), ("prom-remotewrite.io/inject", "x")]);
        assert_eq!(parsed, Ok(Annotations::default()));
    }

    #[test]
    fn every_key_has_a_name_of_its_own_and_is_found_by_it() {
        for key in Key::ALL {
            assert_eq!(super::key(&format!("{PREFIX}{}", key.annotation())), Some(*key));
            assert_eq!(key.annotation().replace('-', ""), key.profile().to_lowercase());
        }
    }

    #[test]
    fn all_errors_come_together_each_with_its_remedy() {
        let errors = parse([
            ("prom-remotewrite/inject", "ture"),
            ("prom-remotewrite/clientid", "secret?"),
            ("prom-remotewrite/identity-type", "userasigned"),
            ("prom-remotewrite/listening-port", "80x"),
            ("prom-remotewrite/cloud", "AzurePublic"),
        ])
        .unwrap_err();
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                r#"prom-remotewrite/clientid="…": expected an annotation that exists (did you mean "prom-remotewrite/client-id"?)"#,
                r#"prom-remotewrite/identity-type="userasigned": expected one of userAssigned, systemAssigned, aadApplication, workloadIdentity (did you mean "userAssigned"?)"#,
                r#"prom-remotewrite/inject="ture": expected one of true, false (did you mean "true"?)"#,
                r#"prom-remotewrite/listening-port="80x": expected a port number from 1 to 65535"#,
            ]
        );
    }

    #[test]
    fn every_spelling_of_yes_and_no_is_understood() {
        let says = |value: &str| parse_inject(value).map(|inject| (inject.asks, inject.is_usual));
        assert_eq!((says("true"), says("false")), (Ok((true, true)), Ok((false, true))));
        assert_eq!(says(" false\n"), Ok((false, true)));
        for no in
            ["False", "FALSE", "no", "NO", "off", "Off", "0", "", " ", "n", "\"false\"", "'no'"]
        {
            assert_eq!(says(no), Ok((false, false)), "{no:?}");
        }
        for yes in ["True", "TRUE", "yes", "on", "1", "Y", "\"true\""] {
            assert_eq!(says(yes), Ok((true, false)), "{yes:?}");
        }
        for neither in ["ture", "flase", "2", "maybe", "true false"] {
            assert!(says(neither).is_err(), "{neither:?}");
        }
    }

    #[test]
    fn the_names_that_exist_are_listed_once() {
        let unknown = ["a", "bb", "ccc"].map(|name| format!("{PREFIX}{name}"));
        let errors = parse(unknown.iter().map(|name| (name.as_str(), "x"))).unwrap_err();
        let listing = |error: &&SettingError| error.expected.contains("ingestion-url, cloud");
        assert_eq!((errors.len(), errors.iter().filter(listing).count()), (3, 1));
        assert!(crate::report(&errors).len() < 1024, "{}", crate::report(&errors));
    }

    #[test]
    fn a_pods_settings_go_before_its_profiles() {
        let annotations =
            parse([(INJECT, "true"), ("prom-remotewrite/cloud", "AzureChina")]).unwrap();
        let mut profile = Overrides::default();
        profile.set(Key::Cloud, "AzureGovernment").unwrap();
        profile.set(Key::ListeningPort, "9000").unwrap();
        let merged = annotations.overrides.or(&profile);
        assert_eq!(merged.get(Key::Cloud).as_deref(), Some("AzureChina"));
        assert_eq!(merged.get(Key::ListeningPort).as_deref(), Some("9000"));
        assert!(!merged.has(Key::Image));
    }
}
