//! Whether refusals are believed: settings may become wrong in the middle of a search.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::{
    super::{
        Reason, evidence,
        ledger::Decision,
        plan::{Plan, Verdict},
    },
    Attempt, MAX_ATTEMPTS, Stop, exchange, failed, stopped,
};
use crate::upstream::{Failure, Received};

/// Refusals that are not believed yet.
pub(in crate::rescue) struct Doubt {
    /// What is refused, if these are believed.
    pub(super) refused: Vec<Refused>,
    /// Refusals since something was accepted, when they began, and the edges of the
    /// plan at that time.
    pub(super) in_a_row: u32,
    pub(super) since: Instant,
    pub(super) edges: BTreeSet<usize>,
    /// So many in a row are too many.
    pub(super) most: u32,
}

impl Default for Doubt {
    fn default() -> Self {
        let (refused, edges) = Default::default();
        Self { refused, in_a_row: 0, since: Instant::now(), edges, most: DOUBTFUL_AFTER }
    }
}

/// What is refused by one answer.
pub(super) struct Refused {
    pub(super) at: Instant,
    pub(super) records: Vec<usize>,
    pub(super) reason: Reason,
    /// It was sent alone.
    pub(super) alone: bool,
}

/// After so many refusals in a row nothing more is believed before something else is
/// accepted.
pub(super) const DOUBTFUL_AFTER: u32 = 20;
/// Once that was asked, it is asked again after so many times as many.
const DOUBT_GROWTH: u32 = 4;

impl<S, F> Attempt<'_, S>
where
    S: Fn(Vec<u8>) -> F,
    F: Future<Output = Result<Received, Failure>>,
{
    /// Whether a part may be sent beside those under way: what is left must be enough
    /// to find out whether refusals are to be believed.
    pub(super) fn allows_more(&self, under_way: usize) -> bool {
        let in_a_row = self.doubt.in_a_row.saturating_add(u32::try_from(under_way).unwrap_or(0));
        self.pace.allows(if in_a_row < DOUBTFUL_AFTER { 1 } else { 2 })
    }

    /// Takes stock at an attempt's end.
    pub(super) async fn finish(
        mut self,
        plan: &mut Plan,
        mut stop: Result<(), Stop>,
    ) -> Result<(), Stop> {
        let in_doubt = self.doubt.in_a_row >= DOUBTFUL_AFTER;
        if in_doubt && stop.is_ok() && !self.doubt.refused.is_empty() {
            stop = match self.dispel(plan).await {
                Err(Stop::NewSuspects) => Ok(()),
                other => other,
            };
        }
        let in_doubt = self.doubt.in_a_row >= DOUBTFUL_AFTER;
        if !in_doubt {
            let _ = self.believe(None);
        }
        let left_in_doubt = !self.doubt.refused.is_empty();
        self.opened.close_divided();
        self.case.edges =
            if in_doubt { std::mem::take(&mut self.doubt.edges) } else { plan.edges() };
        stop?;
        if left_in_doubt {
            return Err(Stop::Pace);
        }
        let left = plan.undecided();
        let hopeless =
            self.case.attempts >= MAX_ATTEMPTS && self.opened.give_up_hopeless(self.case, &left);
        if left.is_empty() || hopeless { Ok(()) } else { Err(Stop::Pace) }
    }

    /// Believes refusals, or those before a request was sent that was accepted.
    pub(super) fn believe(&mut self, before: Option<Instant>) -> Result<(), Stop> {
        let refused = std::mem::take(&mut self.doubt.refused);
        for one in refused {
            if before.is_some_and(|before| one.at > before) {
                self.doubt.refused.push(one);
                continue;
            }
            for record in one.records {
                if one.alone {
                    self.opened.refuse_alone(self.case, record, one.reason);
                } else {
                    self.opened.decide(self.case, record, Decision::Refused(one.reason));
                }
            }
        }
        if self.opened.has_new_suspects() { Err(Stop::NewSuspects) } else { Ok(()) }
    }

    /// Finds out whether anything is accepted still: another batch since, another series
    /// of this one, or a record that was stored before.
    pub(super) async fn dispel(&mut self, plan: &mut Plan) -> Result<(), Stop> {
        let number = self.opened.number(self.case.attempts, self.pace.requests);
        if !self.opened.around.evidence.accepted_since(self.doubt.since)
            && self.pace.allows(3)
            && let Some(part) = plan.probe(number)
        {
            let Some((piece, held)) = self.compressed(&part) else {
                return Err(failed(Failure::NoMemory));
            };
            self.pace.requests -= 1;
            let answered = exchange(self.send, part, piece, held).await;
            match self.take(plan, answered) {
                Ok(()) | Err(Stop::Doubtful) => {}
                Err(stop) => return Err(stop),
            }
            if self.doubt.in_a_row == 0 {
                return self.believe(None);
            }
        }
        let evidence = self.opened.around.evidence;
        let control = evidence.control(self.case.message, Instant::now());
        if let Some(control) = control.filter(|_| !evidence.accepted_since(self.doubt.since)) {
            if !self.pace.allows_more() {
                return Ok(());
            }
            self.pace.requests -= 1;
            let result = (self.send)(evidence::compressed(&control)).await;
            match self.verdict(&result) {
                Verdict::Stored => {}
                Verdict::Untried => return Err(stopped(result)),
                Verdict::Refused | Verdict::TooLarge => return Err(Stop::NothingAccepted),
            }
        }
        self.doubt.in_a_row = 0;
        self.doubt.most = self.doubt.most.saturating_mul(DOUBT_GROWTH);
        self.believe(None)
    }
}
