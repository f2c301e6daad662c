//! One attempt to decide the undecided records of a chunk, within the time and the
//! requests that are left.

mod belief;
mod pace;
mod verdict;

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::Instant;

pub(super) use self::pace::{Limits, Pace, Stop};
use self::{
    belief::Row,
    verdict::{failed, is_fault, stopped, verdict},
};
use super::{
    Deliver, Reason,
    case::Case,
    ledger::Fate,
    opened::Opened,
    plan::{Class, Limit, Part, Plan, Settled, Verdict},
    search,
};
use crate::{
    memory::Share,
    upstream::{Failure, Received},
};

/// How many pieces are sent in parallel: enough for 64 of them within the 25 s of a
/// request if each takes 2 s.
const WIDTH: usize = 8;
/// The maximum size of a control.
const MAX_CONTROL_BYTES: usize = 64 << 10;

/// An attempt in progress.
pub(super) struct Attempt<'a, 'b, 'c> {
    case: &'a mut Case,
    pace: &'a mut Pace<'b>,
    limits: Limits,
    send: &'a Deliver<'c>,
    opened: Opened<'a>,
    /// The last attempt found nothing accepted: this one sends a single witness.
    only_witness: bool,
    row: Row,
    /// All samples are outside the times that Azure accepts: that is why they are refused.
    is_certain: bool,
}

/// What a refusal of a part proves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Belief {
    /// That the part is bad.
    Believed,
    /// Nothing yet. When the last request was sent that had been accepted before this one.
    Doubted(Option<Instant>),
}

/// A piece with its answer.
struct Answered {
    part: Part,
    result: Result<Received, Failure>,
    sent: Instant,
    belief: Belief,
    _held: Share,
}

impl<'a, 'b, 'c> Attempt<'a, 'b, 'c> {
    pub(super) fn new(
        case: &'a mut Case,
        pace: &'a mut Pace<'b>,
        limits: Limits,
        send: &'a Deliver<'c>,
        opened: Opened<'a>,
        only_witness: bool,
    ) -> Self {
        let row = Row::at_start(case);
        Self { case, pace, limits, send, opened, only_witness, row, is_certain: false }
    }

    /// Decides as many records as possible; an error is the reason why some are left.
    pub(super) async fn run(mut self) -> Result<(), Stop> {
        let known_bad = self.case.refusal.status != 413;
        if known_bad && !self.case.searching {
            self.opened.refuse_batch(self.case);
        }
        let planned = self.opened.plan(self.case, known_bad, self.limits.raw);
        let mut plan = planned.map_err(failed)?;
        // After a long outage, whole batches are too old.
        self.is_certain = plan.is_all(Class::Beyond(Limit::Age));
        let mut stop = self.settle_refused_twice(&mut plan);
        while stop.is_ok() && !plan.is_empty() {
            stop = if !self.pace.allows_more() {
                Err(Stop::Pace)
            } else if self.is_doubtful() {
                self.ask(&mut plan).await
            } else {
                self.carry_out(&mut plan).await
            };
            if matches!(stop, Err(Stop::PlanAgain)) {
                self.case.edges = plan.edges();
                self.opened.close_divided();
                let planned = self.opened.plan(self.case, false, self.limits.raw);
                stop = planned.map(|planned| plan = planned).map_err(failed);
            }
        }
        self.end(&plan, stop)
    }

    /// Sends parts in parallel, until none is left or none may be sent.
    async fn carry_out(&mut self, plan: &mut Plan) -> Result<(), Stop> {
        let mut under_way = FuturesUnordered::new();
        let mut stop = Ok(());
        let mut any_sent = false;
        loop {
            while stop.is_ok()
                && under_way.len() < WIDTH
                && self.pace.allows_more()
                && !self.is_doubtful()
            {
                let accepted = self.accepted_lately();
                let waits = |record| self.opened.may_be_refused_twice(self.case, record);
                let Some(part) = plan.next(accepted, waits) else { break };
                any_sent = true;
                match self.compressed(&part) {
                    Some((piece, _)) if piece.len() > self.limits.compressed => {
                        stop = self.conclude(plan, part, Verdict::TooLarge, Belief::Believed, None);
                    }
                    Some((piece, held)) => {
                        under_way.push(self.exchange(part, piece, held));
                    }
                    None => {
                        let _ = plan.settle(part, Verdict::Untried);
                        if under_way.is_empty() {
                            stop = Err(failed(Failure::NoMemory));
                        }
                        break;
                    }
                }
            }
            let Some(answered) = under_way.next().await else { break };
            // Pieces that were sent may be stored: their answers are awaited in any case.
            stop = stop.and(self.take(plan, answered));
        }
        if any_sent { stop } else { self.send_last(plan).await }
    }

    /// Compresses a part, if there is memory for it.
    fn compressed(&self, part: &Part) -> Option<(Vec<u8>, Share)> {
        let Opened { around, chunk, .. } = &self.opened;
        let raw = chunk.shared_bytes()
            + part.records.iter().map(|record| chunk.bytes(*record).len()).sum::<usize>();
        let building = around.memory.hold_elsewhere(raw + snap::raw::max_compress_len(raw))?;
        let raw = chunk.piece(&part.records);
        let mut piece = snap::raw::Encoder::new().compress_vec(&raw).ok()?;
        piece.shrink_to_fit();
        drop((raw, building));
        let held = around.memory.hold_elsewhere(piece.len())?;
        Some((piece, held))
    }

    /// Sends a piece.
    fn exchange(
        &self,
        part: Part,
        piece: Vec<u8>,
        held: Share,
    ) -> impl Future<Output = Answered> + use<'c> {
        let belief = self.belief(&part);
        self.pace.requests.take();
        let sent = Instant::now();
        let answer = (self.send)(piece);
        async move { Answered { part, result: answer.await, sent, belief, _held: held } }
    }

    async fn send_part(&mut self, plan: &mut Plan, part: Part) -> Result<(), Stop> {
        let Some((piece, held)) = self.compressed(&part) else {
            let _ = plan.settle(part, Verdict::Untried);
            return Err(failed(Failure::NoMemory));
        };
        let answered = self.exchange(part, piece, held).await;
        self.take(plan, answered)
    }

    /// Takes the answer to a piece.
    fn take(&mut self, plan: &mut Plan, answered: Answered) -> Result<(), Stop> {
        let Answered { part, result, sent, belief, .. } = answered;
        self.pace.slowest = self.pace.slowest.max(sent.elapsed());
        match (verdict(&result, &self.case.refusal), result) {
            (Verdict::Stored, Ok(received)) => {
                self.accepted(&part, sent, &received);
                let concluded = self.conclude(plan, part, Verdict::Stored, belief, None);
                concluded.and(self.settle_refused_twice(plan))
            }
            (verdict @ (Verdict::Refused | Verdict::TooLarge), Ok(received)) => {
                if belief != Belief::Believed && !self.is_expected(&part) {
                    self.row.add(|| plan.edges());
                }
                let is_single = part.records.len() == 1;
                let concluded = self.conclude(plan, part, verdict, belief, Some(&received));
                if self.case.is_cut && (is_single || verdict == Verdict::Refused) {
                    // Until now the batch was only too large.
                    self.case.searched_for(received);
                    return concluded.and(Err(Stop::PlanAgain));
                }
                concluded
            }
            (_, result) => {
                let _ = plan.settle(part, Verdict::Untried);
                self.pace.faults = self.pace.faults.saturating_sub(1);
                if is_fault(&result) && self.pace.faults > 0 && !self.is_doubtful() {
                    return Ok(());
                }
                Err(stopped(result))
            }
        }
    }

    fn accepted(&mut self, part: &Part, sent: Instant, received: &Received) {
        self.row.ends();
        self.row.was_accepted = true;
        self.case.fruitless = 0;
        self.case.account.accept(received);
        let chunk = &self.opened.chunk;
        let fits =
            |record: &usize| chunk.shared_bytes() + chunk.bytes(*record).len() <= MAX_CONTROL_BYTES;
        self.opened.around.evidence.accepted_record(self.case.message, sent, || {
            // The one with the fewest samples: sent again, they are stored again.
            let records = part.records.iter().copied().filter(fits);
            let record = records.min_by_key(|record| chunk.samples(*record).count)?;
            Some(chunk.piece(&[record]))
        });
    }

    fn conclude(
        &mut self,
        plan: &mut Plan,
        part: Part,
        verdict: Verdict,
        belief: Belief,
        received: Option<&Received>,
    ) -> Result<(), Stop> {
        let now = Instant::now();
        let is_doubted = verdict == Verdict::Refused && belief != Belief::Believed;
        if is_doubted && part.records.len() > 1 {
            self.opened.refuse_part(self.case, &part.records, now);
        }
        let part = if is_doubted { part.standing_for_itself() } else { part };
        match plan.settle(part, verdict) {
            Settled::Open => {}
            Settled::Stored(records) => {
                for record in records {
                    self.opened.decide(self.case, record, Fate::Stored);
                }
            }
            Settled::Refused(records, reason) => {
                for record in records {
                    self.opened.decide(self.case, record, Fate::Refused(reason));
                }
            }
            Settled::Single { record, unit } => {
                match (self.opened.halve(self.case, record), belief) {
                    (Ok(Some(mut halves)), _) => {
                        self.opened.refuse_whole(self.case, record, &halves, now);
                        halves.retain(|half| self.opened.decision(*half).is_none());
                        plan.replace(unit, &halves);
                    }
                    (Ok(None), Belief::Believed) => {
                        let reason = self.reason(record, verdict, received);
                        self.opened.refuse_alone(self.case, record, reason);
                        plan.replace(unit, &[]);
                    }
                    (Ok(None), Belief::Doubted(accepted_before)) => {
                        self.opened.refuse_once(self.case, record, now, accepted_before);
                        plan.ask_again(unit, record, now);
                    }
                    (Err(failure), _) => {
                        // There is no memory to divide it: it stays undecided.
                        plan.replace(unit, &[record]);
                        return Err(failed(failure));
                    }
                }
            }
        }
        if self.opened.has_new_suspects() { Err(Stop::PlanAgain) } else { Ok(()) }
    }

    /// Decides the records that were refused twice with an acceptance in between.
    fn settle_refused_twice(&mut self, plan: &mut Plan) -> Result<(), Stop> {
        loop {
            let is_twice = |record| self.opened.is_refused_twice(self.case, record);
            let Some(part) = plan.refused_once(is_twice) else { return Ok(()) };
            self.conclude(plan, part, Verdict::Refused, Belief::Believed, None)?;
        }
    }

    fn reason(&self, record: usize, verdict: Verdict, received: Option<&Received>) -> Reason {
        if verdict == Verdict::TooLarge {
            return Reason::TooLarge;
        }
        let labels = self.opened.chunk.labels(record);
        let broken = labels.and_then(|labels| search::broken_limit(&labels));
        broken.unwrap_or_else(|| search::reason(received.unwrap_or(&self.case.refusal)))
    }
}
