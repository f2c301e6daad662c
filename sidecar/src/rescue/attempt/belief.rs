//! Whether refusals are about what was sent, or about everything.
//!
//! Settings may be wrong, and may become wrong in the middle of a search: then all
//! that is sent is refused. So nothing is given up for one refusal. A record is refused
//! if it was refused before, and something that was sent after that was accepted before
//! it is sent, and refused, once more. Two refusals with nothing between them say no more
//! than one does.
//!
//! The first refusal is that of the record by itself, or of a part of the batch of which
//! all else is stored by now ([`super::super::refusals`]), or those of its series in several
//! batches lately. For a record that breaks a documented limit it is that of the batch.
//!
//! What is accepted in between is most often another part of the batch, such as a witness
//! (a series that was kept back for this), or another batch. A record that was stored
//! before is sent again only where there is nothing else.

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

/// Refusals since something was accepted.
pub(super) struct Row {
    count: u32,
    /// When the first of them came.
    since: Instant,
    /// The edges of the plan when they began.
    edges: Edges,
    /// How many witnesses were refused.
    asked: u32,
    /// It was asked lately whether anything is accepted: they raise no doubt.
    is_trusted: bool,
    /// How many samples were decided before the attempt.
    decided_before: u64,
    /// Something that the attempt sent was accepted.
    pub(super) was_accepted: bool,
}

/// After so many refusals in a row it is asked whether anything is accepted: often enough
/// to send little in vain, and seldom enough for many bad series side by side.
const DOUBTFUL_AFTER: u32 = 16;
/// An attempt that finds nothing accepted takes so many requests, that of the whole batch
/// among them.
const MAX_ASKED: u32 = 3;
/// After so many attempts in a row without an acceptance, a record that was stored is sent
/// again although witnesses are left: they may all be bad.
const MAX_FRUITLESS: u32 = 3;
/// After so many of them, it is waited for what others send: all of the batch may be bad.
const ALL_BAD_AFTER: u32 = 1;
/// What was accepted is fresh for so long, or for so many times as long as an answer takes:
/// within a row of times in which everything is refused, an older one says little.
const FRESH: Duration = Duration::from_secs(1);
const FRESH_ANSWERS: u32 = 4;
/// While others send batches, one of them is accepted within this time,
const WAIT: Duration = Duration::from_secs(2);
/// and it is looked so often whether it was;
const WAIT_STEP: Duration = Duration::from_millis(50);
/// if none was for so long, nobody waits for it, and a record that was stored is sent again.
const ALONE_AFTER: Duration = Duration::from_secs(5);

impl Row {
    /// A batch that is refused may be refused for everything.
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

    /// Something is refused.
    pub(super) fn add(&mut self, edges: impl FnOnce() -> Edges) {
        if self.count == 0 {
            (self.since, self.edges) = (Instant::now(), edges());
        }
        self.count += 1;
    }

    /// Something is accepted.
    pub(super) fn ends(&mut self) {
        (self.count, self.asked) = (0, 0);
    }
}

impl Attempt<'_, '_, '_> {
    /// What it says if a part is refused now.
    pub(super) fn belief(&self, part: &Part) -> Belief {
        let case = &*self.case;
        let accepted_before = self.accepted_lately();
        let refused_before = match *part.records {
            _ if self.is_certain => return Belief::Believed,
            _ if part.is_beyond_limit() => Some(case.first_refused),
            [record] if self.opened.is_out_of_time(record) => Some(case.first_refused),
            [record] => self.opened.refused_before(case, record),
            // All of these were refused in earlier batches.
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

    /// When the last request was sent that was accepted, if that is fresh.
    pub(super) fn accepted_lately(&self) -> Option<Instant> {
        let fresh = FRESH.max(self.pace.slowest * FRESH_ANSWERS);
        self.opened.around.evidence.accepted_at().filter(|at| at.elapsed() <= fresh)
    }

    /// Whether a refusal of it is no surprise: it says nothing about everything.
    pub(super) fn is_expected(&self, part: &Part) -> bool {
        let was_refused =
            |record: &usize| self.opened.refused_earlier(self.case, *record).is_some();
        part.records.iter().all(was_refused)
    }

    /// Whether everything may be refused by now.
    pub(super) fn is_doubtful(&mut self) -> bool {
        // Others are accepted.
        if self.row.count > 0 && self.opened.around.evidence.accepted_since(self.row.since) {
            self.row.ends();
        }
        self.row.count >= DOUBTFUL_AFTER && !self.row.is_trusted && !self.is_certain
    }

    /// Asks whether anything is accepted: what looks good of the batch, or a witness, or,
    /// if that was of no use before, a record that was stored.
    pub(super) async fn ask(&mut self, plan: &mut Plan) -> Result<(), Stop> {
        let evidence = self.opened.around.evidence;
        let is_fruitless = (self.case.fruitless > 0 || self.case.was_alone)
            && evidence.has_control(self.case.message, Instant::now());
        let most = if self.only_witness {
            1
        } else {
            // One request is left for the record that was stored, if that is sent; the whole
            // batch was one unless it is searched.
            MAX_ASKED - u32::from(is_fruitless) - u32::from(!self.case.searching)
        };
        let may_ask = self.row.asked < most;
        if may_ask && let Some(part) = self.witness(plan) {
            self.row.asked += 1;
            return self.send_part(plan, part).await;
        }
        // One witness alone is asked too often to count.
        if !self.only_witness {
            let has_others = self.case.searching && plan.kept_back().next().is_some();
            let patience = if has_others { MAX_FRUITLESS } else { 0 };
            let is_useless = self.case.was_alone || self.case.fruitless > patience;
            // Not at once: settings that are wrong now and then are right again meanwhile.
            if self.case.fruitless >= ALL_BAD_AFTER && self.is_another_accepted().await {
                return Ok(());
            }
            // Or there is no witness.
            if (is_useless || may_ask) && self.is_control_accepted().await? {
                return Ok(());
            }
            self.case.fruitless = self.case.fruitless.saturating_add(1);
        }
        Err(Stop::NothingAccepted)
    }

    /// What may well be accepted.
    fn witness(&mut self, plan: &mut Plan) -> Option<Part> {
        let is_first = self.row.asked == 0 && !self.row.was_accepted && !self.case.searching;
        let part = match self.row.asked {
            0 if is_first && plan.is_sorted_out() => plan.promising(),
            0 => plan.witness(),
            // Of a series that is refused, some samples may be good.
            _ => plan.part_of_refused().or_else(|| plan.witness()),
        };
        let number = self.opened.number(self.case.attempts, self.pace.requests.left());
        let part = part.or_else(|| plan.probe(number))?;
        if self.case.searching || !plan.is_empty() {
            return Some(part);
        }
        // The batch itself was just refused.
        let _ = self.conclude(plan, part, Verdict::Refused, Belief::Doubted(None), None);
        plan.part_of_refused()
    }

    /// Sends what was held back until all else was decided.
    pub(super) async fn send_last(&mut self, plan: &mut Plan) -> Result<(), Stop> {
        // More of them may be needed.
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
        // Without an acceptance that is fresh, its refusal would say nothing.
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

    /// Waits a moment for another batch to be accepted, if one was lately.
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

    /// Whether a record that was stored before is accepted again, where no other batch
    /// answers that.
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

    /// Takes stock at an attempt's end.
    pub(super) fn end(mut self, plan: &Plan, mut stop: Result<(), Stop>) -> Result<(), Stop> {
        self.opened.close_divided();
        // What was found out since the last acceptance may be wrong.
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
