//! Whether a refusal is about the content, or about everything.
//!
//! Settings may be wrong from the start, or become wrong in the middle of a search: then
//! Azure refuses everything. So one refusal decides nothing. A record counts as refused
//! after two refusals with an acceptance in between: something that was sent after the
//! first refusal was accepted before the record was sent again. Two refusals without that
//! prove no more than one.
//!
//! The first refusal is one of:
//!
//! * that of the record by itself;
//! * that of a part of the batch whose other records are all stored by now
//!   ([`super::super::refusals`]);
//! * those of its series in several recent batches;
//! * that of the batch, if the record exceeds a documented limit.
//!
//! The acceptance in between is usually that of another part of the batch, such as a
//! witness (a series that was kept back for this purpose), or of another batch. A record
//! that is already stored is sent again only if there is nothing else.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::{
        case::Case,
        plan::{Edges, Part, Plan, Verdict},
    },
    Attempt, Belief, Stop,
    verdict::{stopped, verdict},
};

/// Refusals in a row: since the last acceptance.
pub(super) struct Row {
    count: u32,
    /// When the first of them arrived.
    since: Instant,
    /// The edges of the plan at that time.
    edges: Edges,
    /// How many witnesses were refused.
    asked: u32,
    /// A stored record was accepted again in this attempt: refusals raise no doubt.
    is_trusted: bool,
    /// How many samples were decided before the attempt.
    decided_before: u64,
    /// Something that the attempt sent was accepted.
    pub(super) was_accepted: bool,
}

/// After this many refusals in a row, the attempt asks whether anything is accepted: soon
/// enough to waste few requests, and late enough for many bad series side by side.
const DOUBTFUL_AFTER: u32 = 16;
/// The maximum number of requests in an attempt that finds nothing accepted, including the
/// whole batch.
const MAX_ASKED: u32 = 3;
/// After this many attempts in a row without an acceptance, a stored record is sent again
/// even if witnesses are left: they may all be bad.
const MAX_FRUITLESS: u32 = 3;
/// After this many of them, the attempt waits for an acceptance of another batch: this one
/// may be bad throughout.
const ALL_BAD_AFTER: u32 = 1;
/// An acceptance is fresh for this time, or for [`FRESH_ANSWERS`] times the slowest answer,
/// whichever is longer. If everything is refused from time to time, an older one proves
/// little.
const FRESH: Duration = Duration::from_secs(1);
const FRESH_ANSWERS: u32 = 4;
/// The maximum time to wait for an acceptance of another batch,
const WAIT: Duration = Duration::from_secs(2);
/// and the interval at which the attempt looks for it.
const WAIT_STEP: Duration = Duration::from_millis(50);
/// If no other batch was accepted for this long, the attempt does not wait for one, but
/// sends a stored record again.
const ALONE_AFTER: Duration = Duration::from_secs(5);

impl Row {
    /// The refusal of the whole batch may be about everything.
    pub(super) fn at_start(case: &Case) -> Self {
        let is_trusted = case.is_cut || (case.searching && case.fruitless == 0);
        Self {
            count: if is_trusted { 0 } else { DOUBTFUL_AFTER },
            since: case.first_refused,
            edges: case.edges.clone(),
            asked: 0,
            is_trusted: false,
            decided_before: case.account.decided(),
            was_accepted: false,
        }
    }

    /// Something was refused.
    pub(super) fn add(&mut self, edges: impl FnOnce() -> Edges) {
        if self.count == 0 {
            (self.since, self.edges) = (Instant::now(), edges());
        }
        self.count += 1;
    }

    /// Something was accepted.
    pub(super) fn ends(&mut self) {
        (self.count, self.asked) = (0, 0);
    }
}

impl Attempt<'_, '_, '_> {
    /// What a refusal of the part will prove, if it is sent now.
    pub(super) fn belief(&self, part: &Part) -> Belief {
        let case = &*self.case;
        let accepted_before = self.accepted_lately();
        let refused_before = match *part.records {
            _ if self.is_certain => return Belief::Believed,
            _ if part.is_beyond_limit() => Some(case.first_refused),
            [record] if self.opened.is_out_of_time(record) => Some(case.first_refused),
            [record] => self.opened.refused_before(case, record),
            // The series of all of these were refused in earlier batches.
            _ if part.stands_for_others() => {
                let records = part.records.iter();
                let all: Option<Vec<_>> =
                    records.map(|record| self.opened.refused_earlier(case, *record)).collect();
                all.and_then(|all| all.into_iter().max())
            }
            _ => None,
        };
        if refused_before.is_some_and(|then| accepted_before >= Some(then)) {
            Belief::Believed
        } else {
            Belief::Doubted(accepted_before)
        }
    }

    /// When the last accepted request was sent, if that is fresh.
    pub(super) fn accepted_lately(&self) -> Option<Instant> {
        let fresh = FRESH.max(self.pace.slowest * FRESH_ANSWERS);
        self.opened.around.evidence.accepted_at().filter(|at| at.elapsed() <= fresh)
    }

    /// Whether a refusal of the part is expected: then it raises no doubt.
    pub(super) fn is_expected(&self, part: &Part) -> bool {
        let was_refused =
            |record: &usize| self.opened.refused_earlier(self.case, *record).is_some();
        part.records.iter().all(was_refused)
    }

    /// Whether Azure may refuse everything by now.
    pub(super) fn is_doubtful(&mut self) -> bool {
        // Another batch was accepted.
        if self.row.count > 0 && self.opened.around.evidence.accepted_since(self.row.since) {
            self.row.ends();
        }
        self.row.count >= DOUBTFUL_AFTER && !self.row.is_trusted && !self.is_certain
    }

    /// Asks whether anything is accepted: by the part of the batch that looks good, by a
    /// witness or, if these were refused before, by a record that is already stored.
    pub(super) async fn ask(&mut self, plan: &mut Plan) -> Result<(), Stop> {
        let evidence = self.opened.around.evidence;
        let is_fruitless = (self.case.fruitless > 0 || self.case.was_alone)
            && evidence.has_control(self.case.message, Instant::now());
        let most = if self.only_witness {
            1
        } else {
            // One request is reserved for the stored record, if it will be sent; another one
            // was the whole batch, unless the batch is already searched.
            MAX_ASKED - u32::from(is_fruitless) - u32::from(!self.case.searching)
        };
        let may_ask = self.row.asked < most;
        if may_ask && let Some(part) = self.witness(plan) {
            self.row.asked += 1;
            return self.send_part(plan, part).await;
        }
        // Attempts with a single witness are too frequent to count.
        if !self.only_witness {
            let has_others = self.case.searching && plan.kept_back().next().is_some();
            let patience = if has_others { MAX_FRUITLESS } else { 0 };
            let is_useless = self.case.was_alone || self.case.fruitless > patience;
            // Not in the first attempt: settings may be wrong only from time to time, and an
            // acceptance after the wait would then say nothing about the refusals before it.
            if self.case.fruitless >= ALL_BAD_AFTER && self.is_another_accepted().await {
                return Ok(());
            }
            // `may_ask` without a witness: there is none.
            if (is_useless || may_ask) && self.is_control_accepted().await? {
                return Ok(());
            }
            self.case.fruitless = self.case.fruitless.saturating_add(1);
        }
        Err(Stop::NothingAccepted)
    }

    /// A part that is likely to be accepted.
    fn witness(&mut self, plan: &mut Plan) -> Option<Part> {
        let is_first = self.row.asked == 0 && !self.row.was_accepted && !self.case.searching;
        let part = match self.row.asked {
            0 if is_first && plan.is_sorted_out() => plan.promising(),
            0 => plan.witness(),
            // A refused series may have good samples.
            _ => plan.part_of_refused().or_else(|| plan.witness()),
        };
        let number = self.opened.number(self.case.attempts, self.pace.requests.left());
        let part = part.or_else(|| plan.probe(number))?;
        if self.case.searching || !plan.is_empty() {
            return Some(part);
        }
        // The part is the whole batch, which was just refused.
        let _ = self.conclude(plan, part, Verdict::Refused, Belief::Doubted(None), None);
        plan.part_of_refused()
    }

    /// Sends what was kept back until everything else was decided.
    pub(super) async fn send_last(&mut self, plan: &mut Plan) -> Result<(), Stop> {
        // One at a time: another one may be needed.
        if plan.waits_for_acceptance()
            && let Some(part) = plan.witness()
        {
            return self.send_part(plan, part).await;
        }
        if let Some(part) = plan.all_witnesses() {
            return self.send_part(plan, part).await;
        }
        if plan.has_untried() {
            return Ok(());
        }
        // Without a fresh acceptance, its refusal would prove nothing.
        if !self.case.any_refused
            && self.accepted_lately().is_some()
            && let Some(part) = plan.only_refused()
        {
            return self.send_part(plan, part).await;
        }
        if self.is_another_accepted().await || self.is_control_accepted().await? {
            return Ok(());
        }
        Err(Stop::Waiting)
    }

    /// Waits until another batch is accepted, unless none was for [`ALONE_AFTER`].
    async fn is_another_accepted(&mut self) -> bool {
        let evidence = self.opened.around.evidence;
        let begun = Instant::now();
        let is_alone =
            begun.checked_sub(ALONE_AFTER).is_none_or(|then| !evidence.accepted_since(then));
        if is_alone || (self.case.was_alone && evidence.has_control(self.case.message, begun)) {
            self.case.was_alone = true;
            return false;
        }
        while begun.elapsed() < WAIT && self.pace.allows_more() {
            tokio::time::sleep(WAIT_STEP).await;
            if evidence.accepted_since(begun) {
                self.row.ends();
                return true;
            }
        }
        self.case.was_alone = true;
        false
    }

    /// Sends a stored record again, if no other batch can show whether anything is accepted.
    async fn is_control_accepted(&mut self) -> Result<bool, Stop> {
        let evidence = self.opened.around.evidence;
        let now = Instant::now();
        if !self.case.was_alone || !self.pace.allows_more() {
            return Ok(false);
        }
        let Some(control) = evidence.control(self.case.message, now) else { return Ok(false) };
        self.pace.requests.take();
        let result = (self.send)(control).await;
        self.pace.slowest = self.pace.slowest.max(now.elapsed());
        match verdict(&result, &self.case.refusal) {
            Verdict::Stored => {
                evidence.asked_control(self.case.message, now, true);
                (self.row.is_trusted, self.row.was_accepted) = (true, true);
                self.row.ends();
                Ok(true)
            }
            Verdict::Untried => Err(stopped(result)),
            Verdict::Refused | Verdict::TooLarge => {
                evidence.asked_control(self.case.message, now, false);
                Ok(false)
            }
        }
    }

    /// Records the attempt's result in the case.
    pub(super) fn end(mut self, plan: &Plan, mut stop: Result<(), Stop>) -> Result<(), Stop> {
        self.opened.close_divided();
        // Refusals since the last acceptance may be about everything.
        if !matches!(stop, Ok(()) | Err(Stop::Pace)) {
            self.case.refusals.forget_since(self.opened.around.evidence.accepted_at());
        }
        self.case.edges = match stop {
            Err(Stop::NothingAccepted) => std::mem::take(&mut self.row.edges),
            _ => plan.edges(),
        };
        self.case.witnesses = plan.kept_back().collect();
        if matches!(stop, Err(Stop::Waiting)) && !self.row.was_accepted {
            self.case.fruitless = self.case.fruitless.saturating_add(1);
        }
        let decided = self.case.account.decided() > self.row.decided_before;
        self.case.fruitful += u32::from(self.row.was_accepted || decided);
        let may_end = matches!(stop, Err(Stop::Pace | Stop::Waiting));
        if may_end && self.opened.give_up_hopeless(self.case, &plan.undecided()) {
            stop = Ok(());
        }
        stop
    }
}
