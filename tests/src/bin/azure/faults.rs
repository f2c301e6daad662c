//! Faults as the admin port accepts them.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tests::azure::{Fault, Moment};

/// A fault in JSON: `{"status": 503, "times": 3}`, `{"delayMs": 2000}`,
/// `{"hang": true}`, `{"drop": "afterWork"}`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Order {
    /// Answer this, and do nothing.
    status: Option<u16>,
    /// With these headers.
    headers: Vec<(String, String)>,
    /// With this body.
    body: Option<Value>,
    /// Never answer.
    hang: bool,
    /// Close the connection.
    drop: Option<When>,
    /// Wait before anything else, milliseconds.
    delay_ms: u64,
    /// For so many requests; for all where it is absent.
    pub(crate) times: Option<usize>,
}

/// When a connection is closed.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum When {
    BeforeBody,
    MidBody,
    AfterBody,
    AfterWork,
    MidAnswer,
}

impl From<When> for Moment {
    fn from(when: When) -> Self {
        match when {
            When::BeforeBody => Self::BeforeBody,
            When::MidBody => Self::MidBody,
            When::AfterBody => Self::AfterBody,
            When::AfterWork => Self::AfterWork,
            When::MidAnswer => Self::MidAnswer,
        }
    }
}

impl Order {
    /// The fault, if what it asks for fits together.
    pub(crate) fn fault(&self) -> Result<Fault, &'static str> {
        let delay = Duration::from_millis(self.delay_ms);
        let fault = match (self.status, self.hang, self.drop) {
            (Some(status), false, None) => {
                let fault = self.body.iter().fold(Fault::status(status), Fault::json);
                self.headers.iter().fold(fault, |fault, (name, value)| fault.header(name, value))
            }
            (None, true, None) => Fault::hang(),
            (None, false, Some(when)) => Fault::drop(when.into()),
            (None, false, None) if self.delay_ms > 0 => return Ok(Fault::delay(delay)),
            _ => return Err("expected one of status, hang and drop, or delayMs alone"),
        };
        Ok(fault.after(delay))
    }
}
