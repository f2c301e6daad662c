//! One attempt at what is undecided of a chunk, within the time and the requests
//! that are left.

mod pace;
mod proof;

use std::{collections::HashSet, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::Instant;

use self::proof::Refused;
pub(super) use self::{
    pace::{Limits, Pace, Stop},
    proof::Unproved,
};
use super::{
    Reason,
    case::{Case, Proof},
    ledger::Decision,
    opened::Opened,
    plan::{Class, Limit, Part, Plan, Settled, Verdict},
    search,
};
use crate::{
    explain,
    memory::Share,
    outcome::{self, Meaning},
    upstream::{Failure, Received},
};

/// So many pieces are sent at once: enough for 64 of them within the 25 s of a
/// request where each takes 2 s.
const WIDTH: usize = 8;
/// A larger record is not kept to be sent again.
const MAX_CONTROL_BYTES: usize = 64 << 10;

/// An attempt that is being made.
pub(super) struct Attempt<'a, 'b, S> {
    pub(super) case: &'a mut Case,
    pub(super) pace: &'a mut Pace<'b>,
    pub(super) limits: Limits,
    /// Sends a compressed piece.
    pub(super) send: &'a S,
    pub(super) opened: Opened<'a>,
    pub(super) unproved: Unproved,
    /// Nothing was accepted within the last minute: it is asked by one witness.
    pub(super) only_witness: bool,
}

/// A piece that has been answered.
struct Answered {
    part: Part,
    result: Result<Received, Failure>,
    took: Duration,
    _held: Share,
}

impl<S, F> Attempt<'_, '_, S>
where
    S: Fn(Vec<u8>) -> F,
    F: Future<Output = Result<Received, Failure>>,
{
    /// Decides what is undecided; ends with what kept it from deciding
    /// everything.
    pub(super) async fn run(mut self) -> Result<(), Stop> {
        let known_bad = self.case.refusal.status != 413;
        let planned = self.opened.plan(self.case, &HashSet::new(), known_bad, self.limits.raw);
        let mut plan = planned.map_err(failed)?;
        // After an outage, every batch may be too old: the samples' own times prove it.
        if plan.is_all(Class::Beyond(Limit::Age)) {
            self.case.proof = Proof::Given;
        }
        let mut stop = Ok(());
        while stop.is_ok() && self.allows_more(0) {
            if plan.is_empty() && plan.kept_back().next().is_none() {
                break;
            }
            if self.case.proof == Proof::Missing {
                stop = self.find_first_acceptance(&mut plan).await;
            }
            if stop.is_ok() {
                stop = self.carry_out(&mut plan).await;
            }
            if stop.is_ok() && plan.is_empty() {
                stop = self.send_all_witnesses(&mut plan).await;
            }
            if matches!(stop, Err(Stop::Doubtful)) {
                stop = self.find_acceptance(&mut plan).await;
            }
            match stop {
                Err(Stop::Unproved) => stop = Ok(()),
                Err(ref again @ (Stop::NewSuspects | Stop::PlanAgain)) => {
                    if matches!(again, Stop::PlanAgain) {
                        self.case.edges = std::mem::take(&mut self.unproved.edges);
                    }
                    self.opened.close_divided();
                    let unproved = self.unproved.refused.iter().flat_map(|one| &one.records);
                    let unproved = unproved.filter_map(|record| self.opened.hash(*record));
                    let unproved = unproved.collect();
                    let planned = self.opened.plan(self.case, &unproved, false, self.limits.raw);
                    stop = planned.map(|planned| plan = planned).map_err(failed);
                }
                _ => {}
            }
        }
        self.end(&mut plan, stop).await
    }

    /// Sends parts, several at once, until none is left, or none may be sent.
    async fn carry_out(&mut self, plan: &mut Plan) -> Result<(), Stop> {
        let mut under_way = FuturesUnordered::new();
        let mut stop = Ok(());
        loop {
            while stop.is_ok() && under_way.len() < WIDTH && self.allows_more(under_way.len()) {
                let Some(part) = plan.next() else { break };
                match self.compressed(&part) {
                    Some((piece, _)) if piece.len() > self.limits.compressed => {
                        stop = self.conclude(plan, part, Verdict::TooLarge, None);
                    }
                    Some((piece, held)) => {
                        self.pace.requests.take();
                        under_way.push(exchange(self.send, part, piece, held));
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
            let Some(answered) = under_way.next().await else { return stop };
            // What is under way is awaited whatever happens: it may be stored.
            stop = stop.and(self.take(plan, answered));
        }
    }

    /// Compresses a part within the memory that there is.
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

    /// Takes the answer to a piece.
    fn take(&mut self, plan: &mut Plan, answered: Answered) -> Result<(), Stop> {
        let Answered { part, result, took, .. } = answered;
        self.pace.slowest = self.pace.slowest.max(took);
        let verdict = self.verdict(&result);
        let now = Instant::now();
        if matches!(verdict, Verdict::Refused | Verdict::TooLarge) {
            if self.unproved.in_a_row == 0 {
                self.unproved.edges = plan.edges();
            }
            self.unproved.last = now;
            self.unproved.in_a_row += 1;
        }
        match (verdict, result) {
            (Verdict::Untried, result) => {
                let _ = plan.settle(part, verdict);
                self.pace.faults = self.pace.faults.saturating_sub(1);
                if is_fault(&result) && self.pace.faults > 0 {
                    return Ok(());
                }
                Err(stopped(result))
            }
            (Verdict::Stored, Ok(received)) => {
                (self.case.proof, self.case.fruitless) = (Proof::Given, 0);
                let chunk = &self.opened.chunk;
                let record = part.records.first().copied().filter(|record| {
                    chunk.shared_bytes() + chunk.bytes(*record).len() <= MAX_CONTROL_BYTES
                });
                let sent = now.checked_sub(took).unwrap_or(now);
                self.opened.around.evidence.accepted_record(self.case.message, sent, || {
                    record.map(|record| chunk.piece(&[record]))
                });
                self.case.account.accept(&received);
                let believed = self.believe(Some(sent));
                let left = self.unproved.refused.len();
                self.unproved.in_a_row = u32::try_from(left).unwrap_or(u32::MAX);
                self.conclude(plan, part, verdict, None).and(believed)
            }
            // So far the batch was just too large. Nothing of it is given up before
            // something was accepted.
            (Verdict::Refused, Ok(received)) if self.case.proof != Proof::Given => {
                self.unproved(plan, part, received)
            }
            (Verdict::TooLarge, Ok(received))
                if self.case.proof != Proof::Given && part.records.len() == 1 =>
            {
                self.unproved(plan, part, received)
            }
            (verdict, result) => self.conclude(plan, part, verdict, result.ok().as_ref()),
        }
    }

    fn unproved(&mut self, plan: &mut Plan, part: Part, received: Received) -> Result<(), Stop> {
        let _ = plan.settle(part, Verdict::Untried);
        self.case.refusal = received;
        self.case.proof = Proof::Missing;
        Err(Stop::Unproved)
    }

    fn verdict(&self, result: &Result<Received, Failure>) -> Verdict {
        match result {
            Ok(Received { status: 200..=299, .. }) => Verdict::Stored,
            Ok(Received { status: 413, .. }) => Verdict::TooLarge,
            Ok(received)
                if received.status == 400
                    && explain::concerns_request(received)
                    && !explain::concerns_request(&self.case.refusal) =>
            {
                Verdict::Untried
            }
            Ok(received)
                if matches!(
                    outcome::meaning(received.status),
                    Meaning::Content | Meaning::Final
                ) =>
            {
                Verdict::Refused
            }
            // A refusal that is otherwise retried, and that retrying did not end.
            Ok(received)
                if received.status == self.case.refusal.status
                    && outcome::may_be_for_payload(received.status) =>
            {
                Verdict::Refused
            }
            _ => Verdict::Untried,
        }
    }

    fn conclude(
        &mut self,
        plan: &mut Plan,
        part: Part,
        verdict: Verdict,
        received: Option<&Received>,
    ) -> Result<(), Stop> {
        let mut alone = false;
        let (records, decision) = match plan.settle(part, verdict) {
            Settled::Open => return Ok(()),
            Settled::Stored(records) => (records, Decision::Stored),
            Settled::Refused(records, reason) => (records, Decision::Refused(reason)),
            Settled::Single { record, unit } => {
                let halves = self.opened.halve(self.case, record);
                if let Ok(Some(halves)) = halves {
                    let open =
                        halves.into_iter().filter(|half| self.opened.decision(*half).is_none());
                    plan.replace(unit, &open.collect::<Vec<_>>());
                    return Ok(());
                }
                // Without memory to divide it, it stays undecided.
                let left = [record];
                plan.replace(unit, if halves.is_err() { &left } else { &[] });
                halves.map_err(failed)?;
                alone = true;
                (vec![record], Decision::Refused(self.reason(record, verdict, received)))
            }
        };
        match decision {
            Decision::Stored => {
                for record in records {
                    self.opened.decide(self.case, record, decision);
                }
            }
            Decision::Refused(reason) => {
                self.unproved.refused.push(Refused { at: Instant::now(), records, reason, alone });
                if self.unproved.in_a_row >= self.unproved.ask_after {
                    return Err(Stop::Doubtful);
                }
            }
        }
        if self.opened.has_new_suspects() { Err(Stop::NewSuspects) } else { Ok(()) }
    }

    fn reason(&self, record: usize, verdict: Verdict, received: Option<&Received>) -> Reason {
        if verdict == Verdict::TooLarge {
            return Reason::TooLarge;
        }
        let labels = self.opened.chunk.labels(record);
        let broken = labels.and_then(|labels| search::broken_limit(&labels));
        broken.unwrap_or_else(|| Reason::said(received.unwrap_or(&self.case.refusal)))
    }
}

async fn exchange<S, F>(send: &S, part: Part, piece: Vec<u8>, held: Share) -> Answered
where
    S: Fn(Vec<u8>) -> F,
    F: Future<Output = Result<Received, Failure>>,
{
    let begun = Instant::now();
    let result = send(piece).await;
    Answered { part, result, took: begun.elapsed(), _held: held }
}

/// An answer that ends an attempt: what is left is sent again, whatever it says.
fn stopped(result: Result<Received, Failure>) -> Stop {
    match result {
        Ok(received)
            if !matches!(
                outcome::meaning(received.status),
                Meaning::Retry | Meaning::Unexpected
            ) =>
        {
            Stop::AboutRequest(received)
        }
        result => Stop::Answered(result),
    }
}

const fn failed(failure: Failure) -> Stop {
    Stop::Answered(Err(failure))
}

/// Whether the next piece may well be accepted.
const fn is_fault(result: &Result<Received, Failure>) -> bool {
    matches!(
        result,
        Ok(Received { status: 500..=599, .. })
            | Err(Failure::Connect(_)
                | Failure::Tls(_)
                | Failure::Broken(_)
                | Failure::Unreadable(_))
    )
}
