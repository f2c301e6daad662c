//! What is counted and logged of a request.

use tracing::{info, warn};

use super::Forwarder;
use crate::{
    answer::Answer,
    explain,
    metrics::{Refusal, Refusals},
    notices::Notices,
    rescue::Rescued,
    upstream::Received,
};

impl Forwarder {
    /// A request that was not sent on.
    pub(crate) fn refuse(&self, reason: Refusal, answer: Answer) -> Answer {
        refuse(&self.metrics.refusals(), &self.notices, reason, answer)
    }

    pub(super) fn report(&self, rescued: &Rescued, answer: &Answer) {
        if let Err(failure) = rescued.said()
            && let Some(limit) = failure.our_limit()
        {
            self.metrics.refusals().count(limit);
            self.warn(limit.as_str(), answer, || explain::no_answer(failure, &self.host));
            return;
        }
        let upstream = match rescued.said() {
            Ok(received) if matches!(rescued, Rescued::Metadata(_)) => {
                format!("{}_metadata", received.status)
            }
            Ok(received) => received.status.to_string(),
            Err(failure) => {
                self.metrics.failed(failure.reason());
                failure.reason().to_owned()
            }
        };
        self.metrics.answered(upstream, answer.status());
        match rescued {
            Rescued::Answered(Ok(received)) if (200..300).contains(&received.status) => {
                self.succeeded();
            }
            Rescued::Answered(Ok(received)) => self.explain(received, answer),
            Rescued::Answered(Err(failure)) => {
                self.warn(failure.reason(), answer, || explain::no_answer(failure, &self.host));
            }
            Rescued::Settled { any_refused: false, text, .. } => {
                self.succeeded();
                self.inform("rescued", text);
            }
            Rescued::Settled { text, refusal, .. } => {
                self.warn_of(refusal, "refused_series", answer, || {
                    format!("{text}; {}", explain::quoted(refusal))
                });
            }
            Rescued::Unfinished { text, .. } => self.inform("unfinished", text),
            Rescued::Metadata(_) => {
                self.inform("metadata", "Azure refuses metadata; no sample is lost");
            }
            Rescued::AboutRequest(received) if explain::concerns_request(received) => {
                self.explain(received, answer);
            }
            Rescued::AboutRequest(received) => {
                self.warn_of(received, "about_request", answer, || {
                    String::from_utf8_lossy(answer.body()).trim_end().to_owned()
                });
            }
        }
    }

    fn explain(&self, received: &Received, answer: &Answer) {
        self.warn_of(received, subject(received.status), answer, || {
            let claims = self.tokens.usable().and_then(|token| token.claims());
            explain::refusal(received, &self.host, claims.as_ref()).unwrap_or_default()
        });
    }

    /// Of a refusal by Azure, for which our clock may be the reason.
    fn warn_of(
        &self,
        refusal: &Received,
        subject: &'static str,
        answer: &Answer,
        text: impl FnOnce() -> String,
    ) {
        self.warn(subject, answer, || text() + &explain::skew(refusal, (self.now)()));
    }

    fn succeeded(&self) {
        self.metrics.succeeded((self.now)());
        // An endpoint that fails now and then would otherwise fill the log.
        if self.summary.is_troubled() && self.notices.may_say(ACCEPTED).is_some() {
            self.summary.recovered();
            info!(destination = self.metrics.name(), "Azure accepts samples");
            self.notices.over_but(&ACCEPTED);
        }
    }

    /// What loses nothing is worth a line a minute.
    fn inform(&self, subject: &'static str, text: &str) {
        if let Some(held_back) = self.notices.may_say(subject) {
            info!(destination = self.metrics.name(), held_back, "{text}");
        }
    }

    /// What is said is put together only where it is said.
    fn warn(&self, subject: &'static str, answer: &Answer, text: impl FnOnce() -> String) {
        self.summary.troubled();
        if let Some(held_back) = self.notices.may_say(subject) {
            let destination = self.metrics.name();
            warn!(
                destination,
                upstream = subject,
                answered = answer.status(),
                held_back,
                "{}",
                explain::with_variables_of(destination, &text())
            );
        }
    }
}

/// Counts a request that is not sent on, and says why.
pub(crate) fn refuse(
    refusals: &Refusals,
    notices: &Notices,
    reason: Refusal,
    answer: Answer,
) -> Answer {
    refusals.count(reason);
    if let Some(held_back) = notices.may_say(reason.as_str()) {
        let text = String::from_utf8_lossy(answer.body());
        let (destination, answered, text) = (refusals.name(), answer.status(), text.trim_end());
        let word = reason.as_str();
        if reason.is_harmless() {
            info!(destination, answered, reason = word, held_back, "{text}");
        } else {
            warn!(destination, answered, reason = word, held_back, "{text}");
        }
    }
    answer
}

/// The subject of the good news.
const ACCEPTED: &str = "accepted";

/// Statuses that are each worth a log line of their own.
const fn subject(status: u16) -> &'static str {
    match status {
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        408 => "408",
        413 => "413",
        415 => "415",
        429 => "429",
        _ => "other",
    }
}
