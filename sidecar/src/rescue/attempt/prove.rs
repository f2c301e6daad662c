//! Whether a refusal is about what was sent.

use tokio::time::Instant;

use super::{
    super::{
        case::Proof,
        evidence,
        plan::{Plan, Verdict},
    },
    Attempt, Stop, exchange, failed, stopped,
};
use crate::upstream::{Failure, Received};

impl<S, F> Attempt<'_, S>
where
    S: Fn(Vec<u8>) -> F,
    F: Future<Output = Result<Received, Failure>>,
{
    /// Finds out whether anything is accepted: what looks good of the batch, or a
    /// record of it; and a record that was stored before or, without one, another
    /// record of the batch. With the batch itself, that makes three requests.
    pub(super) async fn prove(&mut self, plan: &mut Plan) -> Result<(), Stop> {
        let control = self.opened.around.evidence.control(self.case.message, Instant::now());
        let mut refused = Vec::new();
        let probes = if control.is_some() { 1 } else { 2 };
        for probe in 0..probes {
            if self.case.proof == Proof::Given || !self.pace.allows_more() {
                break;
            }
            let part = if plan.is_sorted_out() && probe == 0 {
                plan.next()
            } else {
                plan.probe(self.opened.number(self.case.attempts, probe))
            };
            let Some(part) = part else { break };
            if part.records.len() == self.opened.chunk.len() {
                // That is the batch itself, which was just refused.
                refused.push((part, None));
                break;
            }
            let Some((piece, held)) = self.compressed(&part) else {
                return Err(failed(Failure::NoMemory));
            };
            self.pace.requests -= 1;
            let answered = exchange(self.send, part, piece, held).await;
            match self.verdict(&answered.result) {
                Verdict::Refused => refused.push((answered.part, answered.result.ok())),
                Verdict::Untried => return Err(stopped(answered.result)),
                Verdict::Stored | Verdict::TooLarge => self.take(plan, answered)?,
            }
        }
        if let Some(control) = control
            && self.case.proof != Proof::Given
            && self.pace.allows_more()
        {
            self.pace.requests -= 1;
            let result = (self.send)(evidence::compressed(&control)).await;
            match self.verdict(&result) {
                Verdict::Stored => self.case.proof = Proof::Given,
                Verdict::Untried => return Err(stopped(result)),
                Verdict::Refused | Verdict::TooLarge => {}
            }
        }
        if self.case.proof != Proof::Given {
            return Err(Stop::NothingAccepted);
        }
        for (part, received) in refused {
            self.conclude(plan, part, Verdict::Refused, received.as_ref())?;
        }
        Ok(())
    }
}
