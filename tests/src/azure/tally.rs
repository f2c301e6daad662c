//! Responses, counted by their text: all that a long run can keep of them.

use std::{collections::BTreeMap, sync::Mutex};

use serde_json::Value;

use super::{Service, faults::Answer};
use crate::locked;

/// Reasons may name what was sent, so their number has a bound.
const MAX_REASONS: usize = 1000;
/// The longest reason, in letters.
const MAX_LENGTH: usize = 300;

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ending {
    /// Who was asked.
    pub service: Service,
    /// The answer's status; `None` where the connection was dropped.
    pub status: Option<u16>,
    /// The text of a rejection; empty for anything else.
    pub reason: String,
}

/// How many requests ended how.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<BTreeMap<Ending, u64>>);

impl Tally {
    /// Counts an answer, or a connection that was dropped.
    pub(super) fn count(&self, service: Service, answer: Option<&Answer>) {
        let mut ending = Ending {
            service,
            status: answer.map(|answer| answer.status),
            reason: answer.map(reason).unwrap_or_default(),
        };
        let mut tally = locked(&self.0);
        if tally.len() >= MAX_REASONS && !tally.contains_key(&ending) {
            "other reasons".clone_into(&mut ending.reason);
        }
        *tally.entry(ending).or_default() += 1;
    }

    pub(super) fn all(&self) -> BTreeMap<Ending, u64> {
        locked(&self.0).clone()
    }
}

/// The first line of a rejection's text.
fn reason(answer: &Answer) -> String {
    if answer.status < 400 {
        return String::new();
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let message = body.get("error_description").or_else(|| body.pointer("/error/message"));
    let line = message.and_then(Value::as_str).and_then(|text| text.lines().next());
    line.unwrap_or_default().chars().take(MAX_LENGTH).collect()
}
