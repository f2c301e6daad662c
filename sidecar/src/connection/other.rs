//! Answers to whatever is not forwarded.

use std::time::Duration;

use contract::{AcceptFrom, names};

use super::{Connection, route::Task};
use crate::{answer::Answer, forward::Forwarder, http1::RequestHead, metrics::Refusal, outcome};

/// For what an operator has to change: the same as for Azure's refusals of this
/// kind.
const RETRY_MISDIRECTED: Duration = Duration::from_secs(5);
/// More of a path is not repeated.
const MAX_SHOWN_PATH: usize = 100;

impl Connection {
    /// The answer to a request that is not `Task::Forward`.
    pub(super) fn answer_other(&self, task: Task, head: &RequestHead) -> Answer {
        match task {
            Task::Health => Answer::text(200, "ok"),
            Task::Ready => self.answer_ready(),
            Task::Metrics => self.answer_metrics(head),
            Task::Decline => {
                let text = "only remote write with snappy is supported";
                self.refuse(Refusal::ProtocolQuestion, Answer::text(415, text))
            }
            Task::Redirect => {
                let text = self.wrong_path(head);
                self.refuse(Refusal::WrongPath, Answer::retry(503, RETRY_MISDIRECTED, text))
            }
            Task::TurnAway => {
                let text = self.foreign_peer();
                self.refuse(Refusal::ForeignPeer, Answer::retry(503, RETRY_MISDIRECTED, text))
            }
            Task::Forbid => {
                self.refuse(Refusal::ForeignPeer, Answer::text(403, self.foreign_peer()))
            }
            Task::NotAllowed(allowed) => {
                let text = format!("only {allowed} is allowed here");
                let answer = Answer::text(405, text).with_field("allow", allowed);
                self.refuse(Refusal::MethodNotAllowed, answer)
            }
            Task::Forward | Task::NotFound => {
                let paths = self.joined(|one| one.path.clone());
                let text = format!("not found: remote writes go to {paths}");
                // Others may find its target malformed, and end the connection.
                self.refuse(Refusal::NotFound, Answer::text(404, text)).closing()
            }
        }
    }

    fn wrong_path(&self, head: &RequestHead) -> String {
        let path = head.unknown_path.as_deref().unwrap_or("another path");
        let shown: String = path.chars().take(MAX_SHOWN_PATH).collect();
        format!(
            "a remote write was sent to {shown}, which is not a write path: set url to {} in the sender's remote_write",
            self.write_urls()
        )
    }

    fn foreign_peer(&self) -> String {
        format!(
            "a write came from {}, outside of this pod, and {name}={} accepts writes from loopback only: write to {} from a container of this pod, or set {name}={}, with which everyone who reaches the port writes with this identity",
            self.slot.peer.ip().to_canonical(),
            AcceptFrom::Loopback,
            self.write_urls(),
            AcceptFrom::Any,
            name = names::env::ACCEPT_FROM,
        )
    }

    fn write_urls(&self) -> String {
        self.joined(|one| format!("http://localhost:{}{}", self.shared.port, one.path))
    }

    /// A text for each destination, as a choice among them.
    fn joined(&self, text: impl Fn(&Forwarder) -> String) -> String {
        let texts: Vec<String> = self.shared.destinations.iter().map(text).collect();
        texts.join(" or ")
    }

    /// Ready are all destinations together: a pod with one that cannot write is to be
    /// looked at.
    fn answer_ready(&self) -> Answer {
        let lacking = self.shared.destinations.iter().filter(|one| one.tokens.usable().is_none());
        let lacking: Vec<String> = lacking
            .map(|one| match one.metrics.name() {
                Some(name) => format!("no usable token for {name}: {}", one.tokens.trouble()),
                None => format!("no usable token: {}", one.tokens.trouble()),
            })
            .collect();
        if lacking.is_empty() {
            return Answer::text(200, "a usable token is held");
        }
        Answer::text(503, lacking.join("; "))
    }

    fn answer_metrics(&self, head: &RequestHead) -> Answer {
        for Forwarder { metrics, memory, .. } in &self.shared.destinations {
            metrics.in_flight_bytes.set(i64::try_from(memory.reserved()).unwrap_or(i64::MAX));
        }
        let exposition = &self.shared.exposition;
        let (kind, text) = if head.accepts_open_metrics {
            (
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                exposition.open_metrics(),
            )
        } else {
            ("text/plain; version=0.0.4; charset=utf-8", exposition.text())
        };
        match text {
            // Other clients do not read theirs.
            Ok(text) if self.shared.buffers.hold_elsewhere(text.len()).is_none() => {
                self.refuse(Refusal::InFlightLimit, outcome::busy("the memory for answers"))
            }
            Ok(text) => Answer::typed(200, kind, text),
            Err(error) => Answer::text(500, error.to_string()),
        }
    }
}
