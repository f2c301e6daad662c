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
    cell::LazyCell,
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use self::{
    admission::Admission,
    attempt::{Attempt, Limits, Pace, Stop},
    case::{Case, Cases, Key},
    chunk::Chunks,
    evidence::Evidence,
    ledger::{Decision, Ledger},
    opened::{Opened, Surroundings},
    survey::{CHUNK_BYTES, Survey, Unopened, survey},
};
pub(crate) use self::{
    reason::Reason,
    rescued::{Batch, Requests, Rescued},
};
use crate::{
    explain,
    http1::Message,
    memory::{Memory, Share},
    metrics::Metrics,
    outcome::{self, Meaning},
    upstream::{Failure, Received},
};

/// Why a batch cannot be read.
enum Unread {
    Never,
    NotNow,
}

const fn under_way() -> Rescued {
    Rescued::Answered(Err(Failure::UnderWay))
}

/// What an attempt may take, if the whole `took` so long.
const fn pace<'a>(batch: &Batch<'a>, took: Duration) -> Pace<'a> {
    let Batch { requests, deadline, .. } = *batch;
    Pace { requests, faults: MAX_FAULTS, slowest: took, deadline }
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
}

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
/// Where something was accepted so lately, a batch of which nothing is may well be bad
/// throughout.
const LATELY: Duration = Duration::from_secs(5);

impl Rescue {
    pub(crate) fn new(memory: Arc<Memory>, metrics: Arc<Metrics>, now: fn() -> SystemTime) -> Self {
        Self::with_ledger(memory, metrics, now, Ledger::new())
    }

    fn with_ledger(
        memory: Arc<Memory>,
        metrics: Arc<Metrics>,
        now: fn() -> SystemTime,
        ledger: Ledger,
    ) -> Self {
        let (evidence, cases) = (Evidence::new(), Cases::default());
        Self { memory, metrics, now, ledger, evidence, cases, admission: Admission::new() }
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
        let (key, case) = {
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
        outcome::may_be_for_payload(case.refusal.status)
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

    /// Opens a batch and settles what can be settled of it.
    async fn open<S, F>(
        &self,
        batch: &Batch<'_>,
        key: Key,
        mut case: Case,
        took: Duration,
        send: &S,
    ) -> Rescued
    where
        S: Fn(Vec<u8>) -> F,
        F: Future<Output = Result<Received, Failure>>,
    {
        let Some(_open) = self.cases.open(key) else { return under_way() };
        let Some(_admitted) = self.admission.admit(batch.requests) else {
            return self.busy(key, case);
        };
        let now = Instant::now();
        let (reading, _reading) = match self.hold_reading(batch) {
            Ok(held) => held,
            Err(Unread::Never) => return self.unopened(batch, key, case, send).await,
            Err(Unread::NotNow) => return self.no_memory(key, case),
        };
        let survey = match survey(batch.message, batch.body) {
            Ok(survey) => survey,
            // That it is refused needs no other proof.
            Err(Unopened::Damaged) => return Rescued::Answered(Ok(case.refusal)),
            Err(Unopened::TooMany) => return self.unopened(batch, key, case, send).await,
        };
        let is_quiet = !case.is_cut && self.evidence.accepts_nothing(now);
        if is_quiet && !case.searching {
            // The whole was just refused.
            return self.about_request(key, case);
        }
        if !survey.has_series && !case.searching {
            // Metadata alone: no sample is lost, and it is sent again each minute.
            return Rescued::Metadata(case.refusal);
        }
        let needed = survey.needed();
        if !self.memory.could_hold(batch.body.len() + reading + needed + survey.needed_for_piece())
        {
            return self.unopened(batch, key, case, send).await;
        }
        let Some(_held) = self.memory.hold_elsewhere(needed) else {
            return self.no_memory(key, case);
        };
        if !self.cases.admit(key, survey.records, case.searching) {
            return self.busy(key, case);
        }
        case.records = survey.records;
        if !case.searching {
            self.count_opened(case.refusal.status);
        }
        let mut pace = pace(batch, took);
        let ended = self.settle(batch, &survey, &mut case, &mut pace, is_quiet, send).await;
        self.ended(key, case, ended)
    }

    /// Holds the memory in which a batch is read; says how much that is.
    fn hold_reading(&self, batch: &Batch<'_>) -> Result<(usize, Share), Unread> {
        let bytes = inflate::overhead(batch.body).unwrap_or_default();
        if !self.memory.could_hold(batch.body.len() + bytes) {
            return Err(Unread::Never);
        }
        self.memory.hold_elsewhere(bytes).map(|held| (bytes, held)).ok_or(Unread::NotNow)
    }

    /// Settles chunk after chunk.
    async fn settle<S, F>(
        &self,
        batch: &Batch<'_>,
        survey: &Survey,
        case: &mut Case,
        pace: &mut Pace<'_>,
        only_witness: bool,
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
            let opened = Opened::new(&around, chunk, case);
            Attempt::new(case, pace, limits, send, opened, only_witness).run().await?;
            // They are numbers of the chunk.
            (case.edges, case.witnesses, case.tests) = Default::default();
        }
        Ok(())
    }

    fn ended(&self, key: Key, mut case: Case, ended: Result<(), Stop>) -> Rescued {
        let refusal = case.refusal.clone();
        match ended {
            Ok(()) => {
                let any_refused = case.any_refused;
                let received = case.account.answer(case.message, &refusal, any_refused);
                let text = case.account.describe(any_refused);
                Rescued::Settled { received, refusal, any_refused, text }
            }
            Err(Stop::NothingAccepted) => {
                let now = Instant::now();
                let others =
                    now.checked_sub(LATELY).is_some_and(|then| self.evidence.accepted_since(then));
                self.evidence.nothing_accepted(now);
                // What was accepted before says nothing any more.
                case.first_refused = now;
                // The whole would bring again what is stored.
                case.searching |= case.account.stored_samples > 0;
                if others {
                    let text = case.account.progress();
                    self.cases.put(key, case);
                    return Rescued::Unfinished { refusal, text, is_waiting: true };
                }
                self.about_request(key, case)
            }
            Err(Stop::AboutRequest(received)) => {
                case.searching |= case.account.stored_samples > 0;
                let about = self.about_request(key, case);
                match about {
                    Rescued::AboutRequest(_) => Rescued::AboutRequest(received),
                    other => other,
                }
            }
            Err(stop) => {
                let text = case.account.progress();
                case.searching = true;
                case.attempts = case.attempts.saturating_add(1);
                self.cases.put(key, case);
                match stop {
                    Stop::Answered(result) => Rescued::Answered(result),
                    stop => {
                        let is_waiting = matches!(stop, Stop::Waiting);
                        Rescued::Unfinished { refusal, text, is_waiting }
                    }
                }
            }
        }
    }

    /// A batch that cannot be opened is refused for itself if it is refused again after
    /// something else was accepted.
    async fn unopened<S, F>(&self, batch: &Batch<'_>, key: Key, case: Case, send: &S) -> Rescued
    where
        S: Fn(Vec<u8>) -> F,
        F: Future<Output = Result<Received, Failure>>,
    {
        if case.attempts > 1 && self.evidence.accepted_since(case.first_refused) {
            return Rescued::Answered(Ok(case.refusal));
        }
        if case.attempts > 1
            && let Some(control) = self.evidence.control(batch.message, Instant::now())
            && batch.requests.take()
        {
            let begun = Instant::now();
            let result = send(evidence::compressed(&control)).await;
            match result.as_ref().map(|received| outcome::meaning(received.status)) {
                Ok(
                    meaning @ (Meaning::Accepted
                    | Meaning::Content
                    | Meaning::TooLarge
                    | Meaning::Final),
                ) => {
                    let is_accepted = meaning == Meaning::Accepted;
                    self.evidence.asked_control(batch.message, begun, is_accepted);
                }
                Ok(Meaning::Retry | Meaning::Unexpected) | Err(_) => {
                    self.cases.put(key, case);
                    return Rescued::Answered(result);
                }
            }
        }
        self.about_request(key, case)
    }

    fn no_memory(&self, key: Key, case: Case) -> Rescued {
        self.cases.put(key, case);
        Rescued::Answered(Err(Failure::NoMemory))
    }

    /// As many batches are searched as may be.
    fn busy(&self, key: Key, mut case: Case) -> Rescued {
        if !case.searching {
            case.attempts = case.attempts.saturating_sub(1);
        }
        self.cases.put(key, case);
        Rescued::Answered(Err(Failure::Busy))
    }

    fn count_opened(&self, status: u16) {
        let counter = if status == 413 { &self.metrics.splits } else { &self.metrics.searches };
        counter.inc();
    }

    fn about_request(&self, key: Key, case: Case) -> Rescued {
        let refusal = case.refusal.clone();
        self.cases.put(key, case);
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
