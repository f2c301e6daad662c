//! Opening a refused batch, and settling what can be settled of it.

use std::{
    ops::RangeInclusive,
    time::{Duration, SystemTime},
};

use tokio::{task::yield_now, time::Instant};

use super::{
    Batch, Deliver, Rescue, Rescued,
    attempt::{Attempt, Limits, Pace, Stop},
    case::Case,
    cases::Key,
    chunk::Chunks,
    cut, inflate,
    ledger::Fate,
    opened::{Opened, Surroundings},
    search,
    survey::{Survey, Unopened, survey},
    under_way,
};
use crate::{
    memory::Share,
    upstream::{Failure, Meaning, Received},
};

/// Why a batch cannot be read.
enum Unread {
    Never,
    NotNow,
}

/// Pieces that may fail in one attempt before the sender is asked to retry.
const MAX_FAULTS: u32 = 4;
/// Azure takes samples of this age, and as far ahead:
/// <https://learn.microsoft.com/azure/azure-monitor/metrics/azure-monitor-workspace-monitor-health>.
const MAX_AGE: Duration = Duration::from_mins(20);
/// Where something was accepted so lately, a batch of which nothing is may well be bad
/// throughout.
const LATELY: Duration = Duration::from_secs(5);

/// What an attempt may take, if the whole `took` so long.
const fn pace<'a>(batch: &Batch<'a>, took: Duration) -> Pace<'a> {
    let Batch { requests, deadline, .. } = *batch;
    Pace { requests, faults: MAX_FAULTS, slowest: took, deadline }
}

impl Rescue {
    /// Opens a batch and settles what can be settled of it.
    pub(super) async fn open(
        &self,
        batch: &Batch<'_>,
        key: Key,
        mut case: Case,
        took: Duration,
        send: &Deliver<'_>,
    ) -> Rescued {
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
        let opening = self.opening.acquire().await;
        let survey = survey(batch.message, batch.body, self.bounds);
        yield_now().await;
        drop(opening);
        let survey = match survey {
            Ok(survey) => survey,
            // That it is refused needs no other proof.
            Err(Unopened::Damaged) => return Rescued::Answered(Ok(case.refusal)),
            Err(Unopened::TooMany) => return self.unopened(batch, key, case, send).await,
        };
        let is_quiet = !case.is_cut && self.evidence.accepts_nothing(now);
        // The whole was just refused.
        if is_quiet && !case.searching && !(survey.has_series && self.evidence.may_ask(now)) {
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
        if !case.searching && !is_quiet {
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
    async fn settle(
        &self,
        batch: &Batch<'_>,
        survey: &Survey,
        case: &mut Case,
        pace: &mut Pace<'_>,
        only_witness: bool,
        send: &Deliver<'_>,
    ) -> Result<(), Stop> {
        let count = |decision: Fate, samples: u64| match decision {
            Fate::Stored => drop(self.metrics.rescued_samples.inc_by(samples)),
            Fate::Refused(reason) => self.metrics.refuse_samples(reason, samples),
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
        let raw = cut::raw_bytes(compressed, decompressed, batch.body.len())
            .min(survey.bounds.chunk_bytes);
        let limits = Limits { raw, compressed };
        for chunk in Chunks::new(batch.message, batch.body, survey).into_iter().flatten() {
            let opening = self.opening.acquire().await;
            let opened = Opened::new(&around, chunk, case).await;
            drop(opening);
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
                case.searching |= case.account.decided() > 0;
                if others {
                    let text = "Azure refuses all that was tried of this batch: it is kept, and sent again after something else is accepted".to_owned();
                    self.cases.put(key, case);
                    return Rescued::Unfinished { refusal, text, is_waiting: true };
                }
                self.about_request(key, case)
            }
            Err(Stop::AboutRequest(received)) => {
                case.searching |= case.account.decided() > 0;
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
    async fn unopened(
        &self,
        batch: &Batch<'_>,
        key: Key,
        case: Case,
        send: &Deliver<'_>,
    ) -> Rescued {
        if case.attempts > 1 && self.evidence.accepted_since(case.first_refused) {
            return Rescued::Answered(Ok(case.refusal));
        }
        if case.attempts > 1
            && let Some(control) = self.evidence.control(batch.message, Instant::now())
            && batch.requests.take()
        {
            let begun = Instant::now();
            let result = send(control).await;
            match result.as_ref().map(Received::meaning) {
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

    pub(super) fn about_request(&self, key: Key, case: Case) -> Rescued {
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
