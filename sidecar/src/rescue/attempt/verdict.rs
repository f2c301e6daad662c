//! What the answer to a piece says.

use super::{super::plan::Verdict, Stop};
use crate::{
    explain,
    upstream::{Failure, Meaning, Received},
};

/// What an answer to a piece says of it, if `refusal` is what was said to the whole batch.
pub(super) fn verdict(result: &Result<Received, Failure>, refusal: &Received) -> Verdict {
    match result {
        Ok(Received { status: 200..=299, .. }) => Verdict::Stored,
        Ok(Received { status: 413, .. }) => Verdict::TooLarge,
        Ok(received)
            if received.status == 400
                && explain::concerns_request(received)
                && !explain::concerns_request(refusal) =>
        {
            Verdict::Untried
        }
        Ok(received) if matches!(received.meaning(), Meaning::Content | Meaning::Final) => {
            Verdict::Refused
        }
        // A refusal that is otherwise retried, and that retrying did not end.
        Ok(received) if received.status == refusal.status && received.may_be_for_payload() => {
            Verdict::Refused
        }
        _ => Verdict::Untried,
    }
}

/// An answer that ends an attempt: what is left is sent again, whatever it says.
pub(super) fn stopped(result: Result<Received, Failure>) -> Stop {
    match result {
        Ok(received) if !matches!(received.meaning(), Meaning::Retry | Meaning::Unexpected) => {
            Stop::AboutRequest(received)
        }
        result => Stop::Answered(result),
    }
}

pub(super) const fn failed(failure: Failure) -> Stop {
    Stop::Answered(Err(failure))
}

/// Whether the next piece may well be accepted.
pub(super) const fn is_fault(result: &Result<Received, Failure>) -> bool {
    matches!(
        result,
        Ok(Received { status: 500..=599, .. })
            | Err(Failure::Connect(_)
                | Failure::Tls(_)
                | Failure::Broken(_)
                | Failure::Unreadable(_)
                | Failure::Page(_))
    )
}
