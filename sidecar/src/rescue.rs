//! Batches that Azure refuses: what is good of them is stored.
//!
//! A batch that is too large (413) is cut ([`cut`]); a batch that is refused for
//! some of its series (400) is searched for these ([`search`]), and loses those and
//! no others. The sender gets one answer for the whole.
//!
//! Both may take more time, or more requests, than one attempt has. What was
//! decided is remembered ([`ledger`]), the sender is asked to retry, and its next
//! attempt continues ([`plan`]). Nothing is given up on a refusal that may be about
//! everything ([`evidence`]): only if something else is accepted is a record
//! refused for itself.
//!
//! This is the only place where a batch is opened.

mod account;
mod admission;
mod attempt;
mod case;
mod cases;
mod chunk;
#[cfg(any(test, fuzzing))]
pub(crate) mod conservation;
mod cut;
mod evidence;
mod inflate;
mod ledger;
mod message;
mod open;
mod opened;
mod plan;
mod refusals;
mod rescued;
mod search;
mod survey;
mod symbols;
#[cfg(test)]
mod tests;

use std::{
    cell::LazyCell,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;
use tokio::{sync::Semaphore, time::Instant};

pub(crate) use self::rescued::{Batch, Requests, Rescued};
use self::{
    admission::Admission,
    case::Case,
    cases::{Cases, Key},
    evidence::Evidence,
    ledger::Ledger,
    survey::Bounds,
};
use crate::{
    explain,
    http1::Message,
    memory::Memory,
    metrics::{Metrics, Reason},
    upstream::{Failure, Meaning, Received},
};

/// Sends a body, or a piece of it, compressed.
pub(crate) type Deliver<'a> =
    dyn Fn(Vec<u8>) -> BoxFuture<'a, Result<Received, Failure>> + Sync + 'a;

const fn under_way() -> Rescued {
    Rescued::Answered(Err(Failure::UnderWay))
}

/// What is remembered of refused batches.
pub(crate) struct Rescue {
    memory: Arc<Memory>,
    metrics: Arc<Metrics>,
    now: fn() -> SystemTime,
    ledger: Ledger,
    evidence: Evidence,
    cases: Cases,
    admission: Admission,
    /// Who reads a batch: one after the other, so that those of other destinations wait for
    /// one of them, and not for dozens.
    opening: Semaphore,
    bounds: Bounds,
}

/// A batch that is refused again and again with a status that is normally retried
/// is searched after so many attempts and so long, if so many other requests were
/// accepted in between, the last one lately.
const STUCK_ATTEMPTS: u32 = 10;
const STUCK_AFTER: Duration = Duration::from_mins(3);
const STUCK_ACCEPTED: u64 = 10;
impl Rescue {
    /// For one of so many destinations, which divide what is remembered, and with it
    /// the memory for that.
    pub(crate) fn new(
        memory: Arc<Memory>,
        metrics: Arc<Metrics>,
        now: fn() -> SystemTime,
        destinations: usize,
    ) -> Self {
        Self::with_ledger(memory, metrics, now, Ledger::new(destinations), destinations)
    }

    fn with_ledger(
        memory: Arc<Memory>,
        metrics: Arc<Metrics>,
        now: fn() -> SystemTime,
        ledger: Ledger,
        destinations: usize,
    ) -> Self {
        Self {
            memory,
            metrics,
            now,
            ledger,
            evidence: Evidence::default(),
            cases: Cases::new(destinations),
            admission: Admission::new(),
            opening: Semaphore::new(1),
            bounds: Bounds::divided(destinations),
        }
    }

    /// Forgets what is old.
    pub(crate) fn reap(&self, now: Instant) {
        self.ledger.reap();
        self.cases.reap(now);
    }

    /// Whether parts of the batch are to be sent, and not the whole: it is being
    /// searched. If so, that is done.
    pub(crate) async fn resume(&self, batch: &Batch<'_>, send: &Deliver<'_>) -> Option<Rescued> {
        let (key, case) = {
            // Only where one of its length is searched is a body worth a hash before it is sent.
            let key = LazyCell::new(|| self.key(batch));
            if self.cases.is_open(batch.body.len(), || *key) {
                return Some(under_way());
            }
            let case = self.cases.take_searching(batch.body.len(), || *key)?;
            (*key, case)
        };
        Some(self.open(batch, key, case, Duration::ZERO, send).await)
    }

    /// Looks at the answer to a whole batch, that `took` so long to come.
    pub(crate) async fn answered(
        &self,
        batch: &Batch<'_>,
        result: Result<Received, Failure>,
        took: Duration,
        send: &Deliver<'_>,
    ) -> Rescued {
        let received = match result {
            Ok(received) => received,
            Err(failure) => return Rescued::Answered(Err(failure)),
        };
        let meaning = received.meaning();
        match meaning {
            Meaning::Accepted => {
                let now = Instant::now();
                let begun = now.checked_sub(took).unwrap_or(now);
                self.evidence.accepted_batch(batch.message, batch.body, begun);
                return Rescued::Answered(Ok(received));
            }
            Meaning::Final | Meaning::Unexpected => return Rescued::Answered(Ok(received)),
            Meaning::Content if account::is_partial_write(&received) => {
                return Rescued::Answered(Ok(received));
            }
            Meaning::Content | Meaning::TooLarge | Meaning::Retry => {}
        }
        let key = self.key(batch);
        if self.cases.is_open(key.0, || key) {
            return under_way();
        }
        let mut case = self.case(&key, batch.message, received);
        case.attempts = case.attempts.saturating_add(1);
        if meaning == Meaning::Retry && !self.is_stuck(&case) {
            let received = case.refusal.clone();
            self.cases.put(key, case);
            return Rescued::Answered(Ok(received));
        }
        if meaning == Meaning::Content
            && explain::concerns_request(&case.refusal)
            && !self.is_contradicted(&case)
        {
            return self.about_request(key, case);
        }
        self.open(batch, key, case, took, send).await
    }

    /// What is known of a batch that was refused with the same status before.
    fn case(&self, key: &Key, message: Message, refusal: Received) -> Case {
        match self.cases.take(key) {
            Some(known) if known.refusal.status == refusal.status => Case { refusal, ..known },
            _ => Case::new(message, refusal, self.evidence.accepted()),
        }
    }

    fn is_stuck(&self, case: &Case) -> bool {
        let now = Instant::now();
        let lately = now.checked_sub(STUCK_AFTER / 4).unwrap_or(now);
        case.refusal.may_be_for_payload()
            && case.attempts >= STUCK_ATTEMPTS
            && now.duration_since(case.first_refused) >= STUCK_AFTER
            && self.evidence.accepted().saturating_sub(case.accepted_before) >= STUCK_ACCEPTED
            && self.evidence.accepted_since(lately)
    }

    /// Whether a refusal that names the request is not about it: the text may quote a
    /// series. Others are accepted, or time has told nothing.
    fn is_contradicted(&self, case: &Case) -> bool {
        let waited = Instant::now().duration_since(case.first_refused) >= STUCK_AFTER;
        self.evidence.accepted_since(case.first_refused)
            || (case.attempts >= STUCK_ATTEMPTS && waited)
    }

    fn key(&self, batch: &Batch<'_>) -> Key {
        (batch.body.len(), self.ledger.hash([batch.body]))
    }
}
