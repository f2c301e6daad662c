//! One remote-write request, phase by phase.

mod log_lines;

use std::{sync::Arc, time::SystemTime};

use contract::{ByteSize, ResponseMode};
use tokio::{sync::Semaphore, time::Instant};

pub(crate) use self::log_lines::refuse;
use crate::{
    answer::Answer,
    http1::RequestHead,
    identity::Token,
    memory::Memory,
    metrics::{Metrics, Refusal},
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
    pub(crate) permits: Semaphore,
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
}

fn is_unauthorized(result: &Result<Received, Failure>) -> bool {
    matches!(result, Ok(Received { status: 401, .. }))
}
