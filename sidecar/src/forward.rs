//! One remote-write request, phase by phase.

use std::{sync::Arc, time::SystemTime};

use contract::{ByteSize, ResponseMode};
use tokio::{sync::Semaphore, time::Instant};
use tracing::{info, warn};

use crate::{
    answer::Answer,
    explain,
    http1::RequestHead,
    identity::Token,
    memory::Memory,
    metrics::{Metrics, Refusal, Refusals},
    notices::Notices,
    outcome,
    rescue::{Batch, Deliver, Requests, Rescue, Rescued},
    summary::Summary,
    token::Tokens,
    upstream::{Failure, Received, Upstream},
    wire,
};

/// Everything that a request to one destination needs on its way.
pub(crate) struct Forwarder {
    /// Where requests for it are posted.
    pub(crate) path: String,
    pub(crate) tokens: Tokens,
    pub(crate) upstream: Upstream,
    pub(crate) mode: ResponseMode,
    pub(crate) max_decompressed: ByteSize,
    /// The ingestion host, for explanations.
    pub(crate) host: String,
    pub(crate) memory: Arc<Memory>,
    /// Its share of `MAX_CONNECTIONS`, so that writes to it keep none to others out.
    pub(crate) places: Semaphore,
    pub(crate) rescue: Rescue,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) summary: Summary,
    pub(crate) notices: Notices,
    pub(crate) now: fn() -> SystemTime,
}

impl Forwarder {
    /// Brings a request to Azure and says what Prometheus is told, before
    /// `deadline`.
    pub(crate) async fn forward(
        &self,
        head: &RequestHead,
        body: &[u8],
        deadline: Instant,
    ) -> Answer {
        let message = match wire::judge(head, body, self.max_decompressed) {
            Ok(message) => message,
            Err(refused) => return self.refuse(refused.reason(), refused.answer()),
        };
        let Some(token) = self.tokens.get(deadline).await else {
            return self.refuse(Refusal::NoToken, outcome::no_token(&self.tokens.trouble()));
        };
        let batch = Batch { message, body, deadline, requests: &Requests::new() };
        let rescued = match self.mode {
            ResponseMode::Transparent => {
                Rescued::Answered(self.deliver_with(&token, head, body, &batch).await)
            }
            ResponseMode::Protective => self.rescued(head, &batch, &token).await,
        };
        let answer = outcome::rescued(&rescued, self.mode, (self.now)());
        self.report(&rescued, &answer);
        answer
    }

    /// Delivers a batch, or what is good of it.
    async fn rescued(&self, head: &RequestHead, batch: &Batch<'_>, token: &Arc<Token>) -> Rescued {
        let send: &Deliver<'_> =
            &|piece| Box::pin(async move { self.deliver(head, &piece, batch).await });
        if let Some(rescued) = self.rescue.resume(batch, send).await {
            return rescued;
        }
        let begun = Instant::now();
        batch.requests.take();
        let result = self.deliver_with(token, head, batch.body, batch).await;
        self.rescue.answered(batch, result, begun.elapsed(), send).await
    }

    /// Sends a body of a batch with the token held now.
    async fn deliver(
        &self,
        head: &RequestHead,
        body: &[u8],
        batch: &Batch<'_>,
    ) -> Result<Received, Failure> {
        let Some(token) = self.tokens.get(batch.deadline).await else {
            return Err(Failure::NoToken(self.tokens.trouble()));
        };
        self.deliver_with(&token, head, body, batch).await
    }

    /// Sends a body, and once more if the token was refused and another is had.
    async fn deliver_with(
        &self,
        token: &Arc<Token>,
        head: &RequestHead,
        body: &[u8],
        batch: &Batch<'_>,
    ) -> Result<Received, Failure> {
        let result = self.send(head, body, token, batch.deadline).await;
        if is_unauthorized(&result)
            && let Some(another) = self.tokens.renew(token, batch.deadline).await
            && batch.requests.take()
        {
            self.metrics.replays.inc();
            return self.send(head, body, &another, batch.deadline).await;
        }
        result
    }

    async fn send(
        &self,
        head: &RequestHead,
        body: &[u8],
        token: &Token,
        deadline: Instant,
    ) -> Result<Received, Failure> {
        let begun = Instant::now();
        let result =
            self.upstream.post(&head.forwarded, &token.authorization, body, deadline).await;
        self.metrics.upstream_seconds.observe(begun.elapsed().as_secs_f64());
        result
    }

    /// A request that was not sent on.
    pub(crate) fn refuse(&self, reason: Refusal, answer: Answer) -> Answer {
        refuse(&self.metrics.refusals, &self.notices, reason, answer)
    }

    fn report(&self, rescued: &Rescued, answer: &Answer) {
        if let Err(failure) = rescued.said()
            && let Some(limit) = failure.our_limit()
        {
            self.metrics.refusals.count(limit);
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

fn is_unauthorized(result: &Result<Received, Failure>) -> bool {
    matches!(result, Ok(Received { status: 401, .. }))
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
