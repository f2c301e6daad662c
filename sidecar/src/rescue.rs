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
mod attempt;
mod case;
mod chunk;
#[cfg(any(test, fuzzing))]
pub(crate) mod conservation;
mod cut;
mod evidence;
mod inflate;
mod ledger;
mod message;
mod opened;
mod plan;
mod reason;
mod rescued;
mod search;
mod survey;
mod symbols;
#[cfg(test)]
mod tests;

use std::{
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use self::{
    attempt::{Attempt, Limits, Pace, Stop},
    case::{Case, Cases, Key, Proof},
    chunk::Chunks,
    evidence::Evidence,
    ledger::{Decision, Ledger},
    opened::{Opened, Surroundings},
    survey::{CHUNK_BYTES, Survey, Unopened, survey},
};
pub(crate) use self::{
    reason::Reason,
    rescued::{Batch, Rescued},
};
use crate::{
    explain,
    http1::Message,
    memory::Memory,
    metrics::Metrics,
    outcome::{self, Meaning},
    upstream::{Failure, Received},
};

/// What is remembered of refused batches.
pub(crate) struct Rescue {
    memory: Arc<Memory>,
    metrics: Arc<Metrics>,
    now: fn() -> SystemTime,
    ledger: Ledger,
    evidence: Evidence,
    cases: Cases,
}

/// One attempt's requests, that of the whole batch among them: they share Azure's
/// limit of 15,000 a minute with everything else.
const MAX_REQUESTS: u32 = 64;
/// Pieces that may fail in one attempt before the sender is asked to retry.
const MAX_FAULTS: u32 = 4;
/// Azure takes samples of this age, and as far ahead:
/// <https://learn.microsoft.com/azure/azure-monitor/metrics/azure-monitor-workspace-monitor-health>.
const MAX_AGE: Duration = Duration::from_mins(20);
/// A batch that is refused again and again with a status that is normally retried
/// is searched after so many attempts and so long, if so many other requests were
/// accepted in between, the last one lately.
const STUCK_ATTEMPTS: u32 = 10;
const STUCK_AFTER: Duration = Duration::from_mins(3);
const STUCK_ACCEPTED: u64 = 10;

impl Rescue {
    pub(crate) fn new(memory: Arc<Memory>, metrics: Arc<Metrics>, now: fn() -> SystemTime) -> Self {
        let (ledger, evidence, cases) = (Ledger::new(), Evidence::new(), Cases::default());
        Self { memory, metrics, now, ledger, evidence, cases }
    }

    /// Forgets what is old.
    pub(crate) fn reap(&self, now: Instant) {
        self.ledger.reap();
        self.cases.reap(now);
    }

    /// Whether parts of the batch are to be sent, and not the whole: it is being
    /// searched. If so, that is done.
    pub(crate) async fn resume<S, F>(&self, batch: &Batch<'_>, send: &S) -> Option<Rescued>
    where
        S: Fn(Vec<u8>) -> F,
        F: Future<Output = Result<Received, Failure>>,
    {
        if !self.cases.any_searching() {
            return None;
        }
        let case = self.cases.take_searching(batch.body.len(), || self.key(batch))?;
        Some(self.open(batch, case, Duration::ZERO, send).await)
    }

    /// Looks at the answer to a whole batch, that `took` so long to come.
    pub(crate) async fn answered<S, F>(
        &self,
        batch: &Batch<'_>,
        result: Result<Received, Failure>,
        took: Duration,
        send: &S,
    ) -> Rescued
    where
        S: Fn(Vec<u8>) -> F,
        F: Future<Output = Result<Received, Failure>>,
    {
        let received = match result {
            Ok(received) => received,
            Err(failure) => return Rescued::Answered(Err(failure)),
        };
        let meaning = outcome::meaning(received.status);
        match meaning {
            Meaning::Accepted => {
                self.evidence.accepted_batch(batch.message, batch.body, Instant::now());
                return Rescued::Answered(Ok(received));
            }
            Meaning::Final | Meaning::Unexpected => return Rescued::Answered(Ok(received)),
            Meaning::Content if explain::concerns_request(&received) => {
                return Rescued::AboutRequest(received);
            }
            Meaning::Content if account::is_partial_write(&received) => {
                return Rescued::Answered(Ok(received));
            }
            Meaning::Content | Meaning::TooLarge | Meaning::Retry => {}
        }
        let key = self.key(batch);
        let mut case = self.case(&key, batch.message, received);
        case.attempts = case.attempts.saturating_add(1);
        if meaning == Meaning::Retry && !self.is_stuck(&case) {
            let received = case.refusal.clone();
            self.cases.put(key, case);
            return Rescued::Answered(Ok(received));
        }
        self.open(batch, case, took, send).await
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
        case.attempts >= STUCK_ATTEMPTS
            && now.duration_since(case.first_refused) >= STUCK_AFTER
            && self.evidence.accepted().saturating_sub(case.accepted_before) >= STUCK_ACCEPTED
            && self.evidence.accepted_since(lately)
    }

    fn key(&self, batch: &Batch<'_>) -> Key {
        (batch.body.len(), self.ledger.hash([batch.body]))
    }

    /// Opens a batch and settles what can be settled of it.
    async fn open<S, F>(
        &self,
        batch: &Batch<'_>,
        mut case: Case,
        took: Duration,
        send: &S,
    ) -> Rescued
    where
        S: Fn(Vec<u8>) -> F,
        F: Future<Output = Result<Received, Failure>>,
    {
        let now = Instant::now();
        if search::is_about_age(&case.refusal.body)
            || self.evidence.accepted_since(case.first_refused)
        {
            case.proof = Proof::Given;
        }
        let survey = match survey(batch.message, batch.body) {
            Ok(survey) => survey,
            // That it is refused needs no other proof.
            Err(Unopened::Damaged) => return Rescued::Answered(Ok(case.refusal)),
            Err(Unopened::TooMany) => return self.unopened(batch, case, send).await,
        };
        if case.proof == Proof::Missing && self.evidence.accepts_nothing(now) {
            return self.about_request(batch, case);
        }
        if !survey.has_series && !case.searching {
            // Metadata alone: no sample is lost, and it is sent again each minute.
            return Rescued::Metadata(case.refusal);
        }
        let needed = survey.needed();
        if !self.memory.could_hold(batch.body.len() + needed + survey.needed_for_piece()) {
            return self.unopened(batch, case, send).await;
        }
        let Some(_held) = self.memory.hold_elsewhere(needed) else {
            self.cases.put(self.key(batch), case);
            return Rescued::Answered(Err(Failure::NoMemory));
        };
        if !case.searching {
            let counter = if case.refusal.status == 413 {
                &self.metrics.splits
            } else {
                &self.metrics.searches
            };
            counter.inc();
        }
        let mut pace = Pace {
            requests: MAX_REQUESTS - u32::from(!case.searching),
            faults: MAX_FAULTS,
            slowest: took,
            deadline: batch.deadline,
        };
        let ended = self.settle(batch, &survey, &mut case, &mut pace, send).await;
        self.ended(batch, case, ended)
    }

    /// Settles chunk after chunk.
    async fn settle<S, F>(
        &self,
        batch: &Batch<'_>,
        survey: &Survey,
        case: &mut Case,
        pace: &mut Pace,
        send: &S,
    ) -> Result<(), Stop>
    where
        S: Fn(Vec<u8>) -> F,
        F: Future<Output = Result<Received, Failure>>,
    {
        let count = |decision: Decision, samples: u64| match decision {
            Decision::Stored => drop(self.metrics.rescued_samples.inc_by(samples)),
            Decision::Refused(reason) => self.metrics.refuse_samples(reason, samples),
        };
        let around = Surroundings {
            ledger: &self.ledger,
            evidence: &self.evidence,
            memory: &self.memory,
            count: &count,
            times: self.times(search::max_age(&case.refusal.body).unwrap_or(MAX_AGE)),
        };
        let compressed = cut::limit(&case.refusal.body);
        let decompressed = snap::raw::decompress_len(batch.body).unwrap_or_default();
        let raw = cut::raw_bytes(compressed, decompressed, batch.body.len()).min(CHUNK_BYTES);
        let limits = Limits { raw, compressed };
        for chunk in Chunks::new(batch.message, batch.body, survey).into_iter().flatten() {
            let opened = Opened::new(&around, chunk);
            Attempt { case, pace, limits, send, opened }.run().await?;
        }
        Ok(())
    }

    fn ended(&self, batch: &Batch<'_>, mut case: Case, ended: Result<(), Stop>) -> Rescued {
        let refusal = case.refusal.clone();
        match ended {
            Ok(()) => {
                let any_refused = case.any_refused;
                let received = case.account.answer(case.message, &refusal, any_refused);
                let text = case.account.describe(any_refused);
                Rescued::Settled { received, refusal, any_refused, text }
            }
            Err(Stop::NothingAccepted) => {
                self.evidence.nothing_accepted(Instant::now());
                self.about_request(batch, case)
            }
            Err(stop) => {
                let text = case.account.progress();
                case.searching = true;
                case.attempts = case.attempts.saturating_add(1);
                self.cases.put(self.key(batch), case);
                match stop {
                    Stop::Answered(result) => Rescued::Answered(result),
                    _ => Rescued::Unfinished { refusal, text },
                }
            }
        }
    }

    /// A batch that cannot be opened is refused for itself if something else is
    /// accepted.
    async fn unopened<S, F>(&self, batch: &Batch<'_>, mut case: Case, send: &S) -> Rescued
    where
        S: Fn(Vec<u8>) -> F,
        F: Future<Output = Result<Received, Failure>>,
    {
        let control = self.evidence.control(batch.message, Instant::now());
        if case.proof == Proof::Missing
            && let Some(control) = control
        {
            match send(evidence::compressed(&control)).await {
                Ok(Received { status: 200..=299, .. }) => case.proof = Proof::Given,
                Ok(Received { status: 400 | 413, .. }) => {}
                result => {
                    self.cases.put(self.key(batch), case);
                    return Rescued::Answered(result);
                }
            }
        }
        if case.proof == Proof::Missing {
            return self.about_request(batch, case);
        }
        Rescued::Answered(Ok(case.refusal))
    }

    fn about_request(&self, batch: &Batch<'_>, case: Case) -> Rescued {
        let refusal = case.refusal.clone();
        self.cases.put(self.key(batch), case);
        Rescued::AboutRequest(refusal)
    }

    /// The times that Azure takes, in milliseconds since 1970: now, give or take
    /// `max_age`.
    fn times(&self, max_age: Duration) -> RangeInclusive<i64> {
        let since = (self.now)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let (now, age) = (millis(since), millis(max_age));
        now.saturating_sub(age)..=now.saturating_add(age)
    }
}
