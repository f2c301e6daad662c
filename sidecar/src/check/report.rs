//! What the doctor found, for people and for programs.

use std::fmt::Write as _;

use contract::{Destination, names};
use serde::Serialize;

use crate::{
    VERSION,
    explain::{Code, Explanation},
};

/// The steps' names, in the order in which they are taken.
pub(crate) mod step {
    pub(crate) const CONFIGURATION: &str = "configuration";
    pub(crate) const TRUSTED_ROOTS: &str = "trusted_roots";
    pub(crate) const PROXY: &str = "proxy";
    pub(crate) const DNS: &str = "dns";
    pub(crate) const TCP: &str = "tcp";
    pub(crate) const TLS: &str = "tls";
    pub(crate) const IDENTITY: &str = "identity";
    pub(crate) const TOKEN: &str = "token";
    pub(crate) const PROBE_WRITE: &str = "probe_write";
    pub(crate) const CLOCK: &str = "clock";
    /// Taken before [`TOKEN`] by a destination with an identity binding, and by no other.
    pub(crate) const TOKEN_PROXY: &str = "token_proxy";

    pub(crate) const ALL: [&str; 10] =
        [CONFIGURATION, TRUSTED_ROOTS, PROXY, DNS, TCP, TLS, IDENTITY, TOKEN, PROBE_WRITE, CLOCK];
}

/// Those that are taken once; the others are taken for each destination. If one of
/// these fails, the sidecar does not start.
const OF_SIDECAR: [&str; 2] = [step::CONFIGURATION, step::TRUSTED_ROOTS];

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It works, and something about it looks wrong.
    Warning,
    /// It does not work.
    Failed,
    /// It was not taken, since a step that it needs has failed.
    Skipped,
}

impl Status {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One step of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Which step: `configuration`, `dns`, `probe_write`, …
    pub name: &'static str,
    /// For which destination, if that has a name and the step is taken for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// How it ended.
    pub status: Status,
    /// What was seen.
    pub detail: String,
    /// A stable name of what is wrong; of the remedy's first line if it has
    /// several.
    pub code: Option<Code>,
    /// What to do, one thing a line, where there is something.
    pub remedy: Option<String>,
}

/// All steps, in the order in which they are taken. The fields and their names
/// are those of the JSON report, and stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The sidecar's version.
    pub version: &'static str,
    /// Whether no step failed.
    pub ok: bool,
    /// The steps.
    pub steps: Vec<Step>,
}

impl Report {
    /// No step is taken yet.
    pub(super) fn new() -> Self {
        Self { version: VERSION, ok: true, steps: step::ALL.map(untaken).to_vec() }
    }

    /// Adds a step that not every destination takes, before another one.
    pub(super) fn add_before(&mut self, next: &str, name: &'static str) {
        if let Some(index) = self.steps.iter().position(|step| step.name == next) {
            self.steps.insert(index, untaken(name));
        }
    }

    /// Takes down what a step found, and passes on what it has for later ones.
    pub(super) fn note<T>(&mut self, name: &str, found: Found<T>) -> Option<T> {
        let Found { value, status, detail, code, remedy } = found;
        // A token's claims are anybody's words.
        let detail = detail.replace(char::is_control, " ");
        self.ok &= status != Status::Failed;
        if let Some(step) = self.steps.iter_mut().find(|step| step.name == name) {
            (step.status, step.detail, step.code, step.remedy) = (status, detail, code, remedy);
        }
        value
    }

    /// The steps for the sidecar, and after them those for each destination.
    pub(super) fn of_destinations(mut self, parts: Vec<(&Destination, Self)>) -> Self {
        let is_shared = |step: &Step| OF_SIDECAR.contains(&step.name);
        self.steps.retain(is_shared);
        for (destination, part) in parts {
            self.ok &= part.ok;
            let steps = part.steps.into_iter().filter(|step| !is_shared(step));
            self.steps.extend(steps.map(|step| match &destination.name {
                Some(name) => Step {
                    destination: Some(name.to_string()),
                    detail: name.in_text(&step.detail),
                    remedy: step.remedy.map(|remedy| name.in_text(&remedy)),
                    ..step
                },
                None => step,
            }));
        }
        self
    }

    /// 0 where no step failed, else 1; 78 where the sidecar does not start with
    /// this configuration.
    pub fn exit_status(&self) -> u8 {
        let failed = |step: &Step| step.status == Status::Failed && OF_SIDECAR.contains(&step.name);
        if self.steps.iter().any(failed) { names::EXIT_CONFIGURATION } else { u8::from(!self.ok) }
    }

    /// One line for each step, and below it what to do; where destinations have names,
    /// a line before the steps of each.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let is_named = self.steps.iter().any(|step| step.destination.is_some());
        let mut before: Option<&Step> = None;
        for step in &self.steps {
            let Step { name, destination, status, detail, remedy, .. } = step;
            let is_shared = |step: &Step| OF_SIDECAR.contains(&step.name);
            let begins =
                before.is_none_or(|before| is_shared(before) || before.destination != *destination);
            if is_named && begins && !is_shared(step) {
                let path = destination.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
                let _ = writeln!(text, "\ndestination at {path}{}", names::WRITE_PATH);
            }
            before = Some(step);
            // Writing to a string does not fail.
            let _ = writeln!(text, "{:<8} {:<13}  {detail}", status.word(), name.replace('_', " "));
            for line in remedy.iter().flat_map(|remedy| remedy.lines()) {
                let _ = writeln!(text, "{:24}-> {line}", "");
            }
        }
        text
    }

    /// A JSON object: `version`, `ok`, and `steps`, each with `name`, `status`,
    /// `detail`, `code` and `remedy`, and with `destination` if that has a name.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

/// A step that is not taken yet.
fn untaken(name: &'static str) -> Step {
    Step {
        name,
        destination: None,
        status: Status::Skipped,
        detail: "a step that this one needs has failed".to_owned(),
        code: None,
        remedy: None,
    }
}

/// What a step found, and what it has for later ones.
#[derive(Debug)]
pub(super) struct Found<T> {
    value: Option<T>,
    status: Status,
    detail: String,
    code: Option<Code>,
    remedy: Option<String>,
}

impl<T> Found<T> {
    /// All is well.
    pub(super) fn ok(value: T, detail: impl Into<String>) -> Self {
        let (value, detail) = (Some(value), detail.into());
        Self { value, status: Status::Ok, detail, code: None, remedy: None }
    }

    /// It does not work, and later steps get nothing.
    pub(super) fn failed(code: Code, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (detail, code, remedy) = (detail.into(), Some(code), Some(remedy.into()));
        Self { value: None, status: Status::Failed, detail, code, remedy }
    }

    /// It does not work, for a reason that is explained.
    pub(super) fn explained(detail: impl Into<String>, explanation: Explanation) -> Self {
        Self::failed(explanation.code, detail, explanation.text)
    }

    /// The same, with something for later steps nevertheless.
    #[must_use]
    pub(super) fn but(mut self, value: T) -> Self {
        self.value = Some(value);
        self
    }

    /// A warning, if there is a doubt: a code and what to do.
    #[must_use]
    pub(super) fn with_warnings(
        mut self,
        warnings: impl IntoIterator<Item = (Code, String)>,
    ) -> Self {
        let (codes, texts): (Vec<Code>, Vec<String>) = warnings.into_iter().unzip();
        if self.status == Status::Ok && !texts.is_empty() {
            self.status = Status::Warning;
            self.code = codes.first().copied();
            self.remedy = Some(texts.join("\n"));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(statuses: &[(&str, Status)]) -> Report {
        let mut report = Report::new();
        for (name, status) in statuses {
            let found = Found {
                value: Some(()),
                status: *status,
                detail: "seen".to_owned(),
                code: Some(Code::RoleMissing),
                remedy: Some("one\ntwo".to_owned()),
            };
            report.note(name, found);
        }
        report
    }

    #[test]
    fn the_exit_status_says_who_has_to_act() {
        let check = |statuses: &[(&str, Status)], expected| {
            assert_eq!(report(statuses).exit_status(), expected, "{statuses:?}");
        };
        check(&[(step::CONFIGURATION, Status::Ok), (step::CLOCK, Status::Warning)], 0);
        check(&[(step::CONFIGURATION, Status::Warning)], 0);
        check(&[(step::TOKEN, Status::Failed)], 1);
        check(&[(step::CONFIGURATION, Status::Failed)], 78);
        check(&[(step::TRUSTED_ROOTS, Status::Failed), (step::TOKEN, Status::Failed)], 78);
    }

    #[test]
    fn both_forms_say_the_same() {
        let report = report(&[(step::PROBE_WRITE, Status::Failed)]);
        let text = report.text();
        assert!(text.starts_with("skipped  configuration  a step that this one needs"), "{text}");
        let line = "failed   probe write    seen\n                        -> one\n                        -> two\n";
        assert!(text.contains(line), "{text}");
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["ok"], false);
        assert_eq!(json["version"], VERSION);
        assert_eq!(
            json["steps"][8],
            serde_json::json!({
                "name": "probe_write", "status": "failed", "detail": "seen",
                "code": "role-missing", "remedy": "one\ntwo",
            })
        );
        for field in ["code", "remedy"] {
            assert_eq!(json["steps"][0][field], serde_json::Value::Null);
        }
    }

    #[test]
    fn a_doubt_does_not_hide_a_failure() {
        let warning = || (Code::ClockSkew, "odd".to_owned());
        let found = Found::<()>::failed(Code::TokenFailed, "broken", "repair it")
            .with_warnings([warning()]);
        assert_eq!((found.status, found.code), (Status::Failed, Some(Code::TokenFailed)));
        assert_eq!(found.remedy.as_deref(), Some("repair it"));
        let found = Found::ok((), "good").with_warnings([warning()]);
        assert_eq!((found.status, found.code), (Status::Warning, Some(Code::ClockSkew)));
        let found = Found::ok((), "good").with_warnings([]);
        assert_eq!((found.status, found.code, found.remedy), (Status::Ok, None, None));
    }
}
