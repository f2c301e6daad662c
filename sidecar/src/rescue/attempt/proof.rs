//! Whether refusals are about what was sent, or about everything.
//!
//! Settings may be wrong, and may become wrong in the middle of a search: then all
//! that is sent is refused. So a refusal counts once something that was sent after it
//! is accepted. To find that out, a witness is sent: a series that was kept back. A
//! record that was stored before is sent again only where no witness proves anything.

use tokio::time::Instant;

use super::{
    super::{
        Reason,
        case::Proof,
        evidence,
        ledger::Decision,
        plan::{Edge, Edges, Part, Plan, Verdict},
    },
    Answered, Attempt, Stop, exchange, failed, stopped,
};
use crate::upstream::{Failure, Received};

/// Refusals after which nothing was accepted yet.
pub(in crate::rescue) struct Unproved {
    /// What is refused, if these are believed.
    pub(super) refused: Vec<Refused>,
    /// Refusals since something was accepted, and when the last one came.
    pub(super) in_a_row: u32,
    pub(super) last: Instant,
    /// The edges of the plan when they began.
    pub(super) edges: Edges,
    /// After so many in a row it is asked whether anything is accepted.
    pub(super) ask_after: u32,
    /// How many witnesses were sent together, after all else.
    pub(super) sent_at_last: usize,
}

impl Default for Unproved {
    fn default() -> Self {
        let (refused, edges) = Default::default();
        let last = Instant::now();
        Self { refused, in_a_row: 0, last, edges, ask_after: DOUBTFUL_AFTER, sent_at_last: 0 }
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
const DOUBTFUL_AFTER: u32 = 20;
/// So many witnesses are asked before a record that was stored: that all three are bad
/// themselves happens once in 100,000 times where one series of 50 is bad.
const MAX_WITNESSES: u32 = 3;
/// Once it was asked whether anything is accepted, it is asked again, in the same
/// attempt, after so many times as many refusals.
const DOUBT_GROWTH: u32 = 4;
/// A search that finds nothing accepted takes so many requests, that of the whole batch
/// among them.
const MAX_ASKED: u32 = 3;
/// After so many searches in a row without an acceptance, a record that was stored is
/// asked for although witnesses are left: they may all be bad.
const MAX_FRUITLESS: u32 = 3;
/// Fewer witnesses than these may all be bad: they say nothing when all are refused.
const ENOUGH_WITNESSES: usize = 4;

impl<S, F> Attempt<'_, '_, S>
where
    S: Fn(Vec<u8>) -> F,
    F: Future<Output = Result<Received, Failure>>,
{
    /// Finds out whether anything is accepted: what looks good of the batch, or a witness;
    /// and another one or, if that was of no use before, a record that was stored.
    pub(super) async fn find_first_acceptance(&mut self, plan: &mut Plan) -> Result<(), Stop> {
        let (mut first, mut doubted) = (true, Vec::new());
        let control_first = self.asks_for_stored(plan);
        let mut left = match () {
            () if self.only_witness => 1,
            () if self.case.searching => MAX_ASKED,
            () => MAX_ASKED - 1,
        };
        let mut has_witnesses = true;
        while left > u32::from(control_first) && self.case.proof != Proof::Given {
            if !self.pace.allows_more() {
                return Ok(());
            }
            let looks_good = std::mem::take(&mut first) && plan.is_sorted_out();
            let part = if looks_good { plan.promising() } else { self.witness(plan) };
            has_witnesses = part.is_some();
            let Some(part) = part else { break };
            if part.records.len() == self.opened.chunk.len() {
                // That is the batch itself, which was just refused.
                self.conclude(plan, part, Verdict::Refused, None)?;
                doubted.append(&mut self.unproved.refused);
                has_witnesses = false;
                break;
            }
            left -= 1;
            let answered = self.send_part(part).await?;
            match self.verdict(&answered.result) {
                Verdict::Stored => self.take(plan, answered)?,
                Verdict::Untried => return Err(stopped(answered.result)),
                verdict => {
                    let received = answered.result.ok();
                    self.conclude(plan, answered.part, verdict, received.as_ref())?;
                    doubted.append(&mut self.unproved.refused);
                }
            }
        }
        let asks_control = left > 0 && (control_first || !has_witnesses);
        if self.case.proof != Proof::Given {
            if !asks_control || self.is_control_accepted().await? != Some(true) {
                return Err(self.nothing_accepted());
            }
            self.case.proof = Proof::Given;
        }
        if doubted.is_empty() {
            return Ok(());
        }
        // Everything may have been refused until now.
        self.unproved.edges = plan.edges();
        Err(Stop::PlanAgain)
    }

    /// Finds out whether anything is accepted still: another batch since, a witness, or a
    /// record that was stored before.
    pub(super) async fn find_acceptance(&mut self, plan: &mut Plan) -> Result<(), Stop> {
        // What a record that was stored is asked for must be left.
        let is_over = |plan: &Plan| plan.undecided().is_empty();
        let kept = u32::from(self.unproved.in_a_row >= DOUBTFUL_AFTER || is_over(plan));
        let mut doubted = Vec::new();
        for asked in 0..MAX_WITNESSES {
            if self.is_proved() || !self.pace.allows(if asked == 0 { 1 } else { 1 + kept }) {
                break;
            }
            let Some(part) = self.witness(plan) else { break };
            let answered = self.send_part(part).await?;
            match self.take(plan, answered) {
                Ok(()) | Err(Stop::Doubtful | Stop::NewSuspects) => {}
                Err(stop) => return Err(stop),
            }
            if self.unproved.in_a_row > 0 {
                doubted.append(&mut self.unproved.refused);
            } else if !doubted.is_empty() {
                // Witnesses are seldom bad: everything was refused until now, it seems.
                return Err(Stop::PlanAgain);
            }
        }
        self.unproved.refused.append(&mut doubted);
        if !self.is_proved() {
            let is_enough = self.unproved.in_a_row >= DOUBTFUL_AFTER || is_over(plan);
            if !is_enough || !self.pace.allows_more() {
                return Ok(());
            }
            if self.is_control_accepted().await? == Some(false) {
                return Err(self.nothing_accepted());
            }
        }
        self.unproved.in_a_row = 0;
        self.unproved.ask_after = self.unproved.ask_after.saturating_mul(DOUBT_GROWTH);
        self.believe(None)
    }

    /// Whether a record that was stored is asked for after a witness, and not another one.
    fn asks_for_stored(&self, plan: &Plan) -> bool {
        let has_others = self.case.searching
            && self.case.fruitless <= MAX_FRUITLESS
            && plan.kept_back().next().is_some();
        self.case.fruitless > 0 && !self.only_witness && !has_others
    }

    const fn nothing_accepted(&mut self) -> Stop {
        // One witness alone is asked too often to count.
        if !self.only_witness {
            self.case.fruitless = self.case.fruitless.saturating_add(1);
        }
        Stop::NothingAccepted
    }

    fn is_proved(&self) -> bool {
        self.unproved.in_a_row == 0
            || self.opened.around.evidence.accepted_since(self.unproved.last)
    }

    /// A series that was kept back or, without one, any other.
    fn witness(&mut self, plan: &mut Plan) -> Option<Part> {
        let number = self.opened.number(self.case.attempts, self.pace.requests.left());
        let part = plan.witness().or_else(|| plan.probe(number))?;
        if let Some(first) = part.records.first() {
            self.case.witnesses.remove(first);
        }
        Some(part)
    }

    /// Sends what is left, if that is what was kept back.
    pub(super) async fn send_all_witnesses(&mut self, plan: &mut Plan) -> Result<(), Stop> {
        if !self.pace.allows_more() {
            return Ok(());
        }
        let Some(part) = plan.all_witnesses() else { return Ok(()) };
        self.unproved.sent_at_last = part.records.len();
        let answered = self.send_part(part).await?;
        let taken = self.take(plan, answered);
        self.case.witnesses = plan.kept_back().collect();
        taken
    }

    async fn send_part(&mut self, part: Part) -> Result<Answered, Stop> {
        let Some((piece, held)) = self.compressed(&part) else {
            return Err(failed(Failure::NoMemory));
        };
        self.pace.requests.take();
        Ok(exchange(self.send, part, piece, held).await)
    }

    /// Whether a record that was stored before is accepted again; `None` without one.
    async fn is_control_accepted(&mut self) -> Result<Option<bool>, Stop> {
        let control = self.opened.around.evidence.control(self.case.message, Instant::now());
        let Some(control) = control.filter(|_| self.pace.allows_more()) else { return Ok(None) };
        self.pace.requests.take();
        let result = (self.send)(evidence::compressed(&control)).await;
        match self.verdict(&result) {
            Verdict::Stored => Ok(Some(true)),
            Verdict::Untried => Err(stopped(result)),
            Verdict::Refused | Verdict::TooLarge => Ok(Some(false)),
        }
    }

    /// Whether a part may be sent beside those under way: what is left must be enough
    /// to find out whether refusals are to be believed.
    pub(super) fn allows_more(&self, under_way: usize) -> bool {
        let in_a_row = self.unproved.in_a_row.saturating_add(u32::try_from(under_way).unwrap_or(0));
        let kept_for_proof = match in_a_row {
            0 => 0,
            1..DOUBTFUL_AFTER => 1,
            _ => 3,
        };
        self.pace.allows(1 + kept_for_proof)
    }

    /// Believes refusals, or those before a request was sent that was accepted.
    pub(super) fn believe(&mut self, before: Option<Instant>) -> Result<(), Stop> {
        let refused = std::mem::take(&mut self.unproved.refused);
        for one in refused {
            if before.is_some_and(|before| one.at > before) {
                self.unproved.refused.push(one);
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

    /// Whether so many refusals need no proof when everything else is decided: if nothing
    /// were accepted any more, all of the witnesses would be among them.
    fn are_few(&self, unproved: usize) -> bool {
        let witnesses = self.unproved.sent_at_last;
        if witnesses < ENOUGH_WITNESSES {
            return self.unproved.in_a_row < DOUBTFUL_AFTER;
        }
        unproved <= witnesses / 2
    }

    /// Takes stock at an attempt's end.
    pub(super) async fn end(
        mut self,
        plan: &mut Plan,
        mut stop: Result<(), Stop>,
    ) -> Result<(), Stop> {
        let unproved = self.unproved.refused.iter().filter(|one| one.alone).count();
        if stop.is_ok() && plan.undecided().is_empty() && self.are_few(unproved) {
            let _ = self.believe(None);
        } else if stop.is_ok() && unproved > 0 {
            stop = match self.find_acceptance(plan).await {
                Err(Stop::NewSuspects) => Ok(()),
                Err(Stop::PlanAgain) => {
                    self.unproved.in_a_row = DOUBTFUL_AFTER;
                    Err(Stop::Pace)
                }
                other => other,
            };
        }
        self.opened.close_divided();
        let left: Vec<usize> =
            self.unproved.refused.iter().flat_map(|one| one.records.iter().copied()).collect();
        self.case.edges = if self.unproved.in_a_row >= DOUBTFUL_AFTER {
            std::mem::take(&mut self.unproved.edges)
        } else {
            plan.edges()
                .into_iter()
                .chain(left.iter().map(|record| (*record, Edge::Unknown)))
                .collect()
        };
        stop?;
        if !left.is_empty() {
            return Err(Stop::Pace);
        }
        let left = plan.undecided();
        let hopeless =
            self.case.fruitful >= MAX_FRUITFUL && self.opened.give_up_hopeless(self.case, &left);
        if left.is_empty() || hopeless { Ok(()) } else { Err(Stop::Pace) }
    }
}

/// In the next attempt after so many that decided something, what is hopeless is given
/// up. Those that met wrong settings or throttling found out nothing about it.
const MAX_FRUITFUL: u32 = 6;
