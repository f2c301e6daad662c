//! What became of a batch's records, and the one answer for all of them.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{Reason, message::Samples};
use crate::{http1::Message, upstream::Received};

/// What was stored and refused of one batch, over all attempts.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    pub(super) stored_samples: u64,
    stored_histograms: u64,
    stored_exemplars: u64,
    refused_samples: u64,
    /// Series of which a sample was refused.
    refused_series: u64,
    refused_exemplars: u64,
    /// Names of the first refused series, with their reasons.
    examples: Vec<String>,
    /// The last piece that was accepted.
    accepted: Option<Received>,
    /// Sums of the header fields in which a receiver of 2.0 says what it wrote.
    written: BTreeMap<String, u64>,
}

/// So many refused series are named in one log line.
const MAX_EXAMPLES: usize = 3;
/// How the header fields end in which a receiver of 2.0 says what it wrote.
const WRITTEN_SUFFIX: &str = "-written";

/// Whether a refusal says that a part of the batch was written: the receiver then
/// stores what it can by itself, as remote write 2.0 allows.
pub(super) fn is_partial_write(received: &Received) -> bool {
    written(received).any(|(_, count)| count > 0)
}

fn written(received: &Received) -> impl Iterator<Item = (&String, u64)> {
    let fields = received.fields.iter().filter(|(name, _)| name.ends_with(WRITTEN_SUFFIX));
    fields.filter_map(|(name, value)| Some((name, value.parse().ok()?)))
}

impl Account {
    /// A piece was accepted.
    pub(super) fn accept(&mut self, received: &Received) {
        for (name, count) in written(received) {
            *self.written.entry(name.clone()).or_default() += count;
        }
        self.accepted = Some(received.clone());
    }

    /// Samples were stored.
    pub(super) fn store(&mut self, samples: &Samples) {
        self.stored_samples += samples.count;
        self.stored_histograms += samples.histograms;
        self.stored_exemplars += samples.exemplars;
    }

    /// How many samples are stored or refused.
    pub(super) const fn decided(&self) -> u64 {
        self.stored_samples + self.refused_samples
    }

    /// What was written of a refused batch. For a message of 1.0, an accepted piece
    /// is written whole; for one of 2.0, the receiver says what it wrote, and one
    /// that says nothing wrote nothing. Prometheus counts all else as failed.
    fn written(&self, message: Message) -> Vec<(String, u64)> {
        if message == Message::V2 {
            return self.written.clone().into_iter().collect();
        }
        let floats = self.stored_samples - self.stored_histograms;
        let counts = [
            ("samples", floats),
            ("histograms", self.stored_histograms),
            ("exemplars", self.stored_exemplars),
        ];
        let name = |kind: &str| format!("x-prometheus-remote-write-{kind}{WRITTEN_SUFFIX}");
        counts.map(|(kind, count)| (name(kind), count)).into()
    }

    /// A record of a series is refused, the first one if that `is_new`.
    pub(super) fn refuse(
        &mut self,
        samples: &Samples,
        is_new: bool,
        reason: Reason,
        name: impl FnOnce() -> String,
    ) {
        self.refused_samples += samples.count;
        self.refused_exemplars += samples.exemplars;
        if !is_new {
            return;
        }
        self.refused_series += 1;
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(format!("{} ({})", name(), reason.as_str()));
        }
    }

    /// The answer for the whole batch, of which everything is decided: that of an
    /// accepted piece, or the `refusal` with what was refused in front of it.
    pub(super) fn answer(
        &self,
        message: Message,
        refusal: &Received,
        any_refused: bool,
    ) -> Received {
        // All of it was stored for an earlier request: that whose answer got lost.
        let stored_before = Received { status: 204, ..Received::default() };
        let accepted = self.accepted.as_ref().unwrap_or(&stored_before);
        let whole = if any_refused { refusal } else { accepted };
        let others = whole.fields.iter().filter(|(name, _)| !name.ends_with(WRITTEN_SUFFIX));
        let written = if any_refused {
            self.written(message)
        } else {
            self.written.clone().into_iter().collect()
        };
        let written = written.into_iter().map(|(name, sum)| (name, sum.to_string()));
        let mut fields: Vec<_> = others.cloned().chain(written).collect();
        if !any_refused {
            return Received { fields, ..whole.clone() };
        }
        fields.retain(|(name, _)| name != "content-type");
        fields.push(("content-type".to_owned(), "text/plain; charset=utf-8".to_owned()));
        let mut body = self.describe(true);
        let said = String::from_utf8_lossy(&refusal.body);
        let said = said.trim();
        if !said.is_empty() {
            let _ = write!(body, "; Azure says: {said}");
        }
        body.push('\n');
        // A refusal of a kind that is otherwise retried is final here, too.
        let status = if matches!(whole.status, 413) { 413 } else { 400 };
        Received { status, fields, body: body.into_bytes() }
    }

    /// How far a search has come.
    pub(super) fn progress(&self) -> String {
        format!(
            "Azure refuses this batch for some of its series or its size: {} stored so far and {} refused; a retry continues with the others",
            counted(self.stored_samples, "sample"),
            self.refused_samples
        )
    }

    /// One line for the log and for the sender.
    pub(super) fn describe(&self, any_refused: bool) -> String {
        if !any_refused && self.stored_samples == 0 {
            return "Azure refused a batch as a whole whose parts it had all stored for an earlier request".to_owned();
        }
        if !any_refused {
            return format!(
                "Azure refused a batch as a whole and stored all of its parts: {}",
                counted(self.stored_samples, "sample")
            );
        }
        if self.refused_series == 0 {
            return "Azure refused samples of this batch in an earlier request, which named them; all others are stored".to_owned();
        }
        let shown = u64::try_from(self.examples.len()).unwrap_or_default();
        let more = match self.refused_series.saturating_sub(shown) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let names = self.examples.join(", ");
        let exemplars = match self.refused_exemplars {
            0 => String::new(),
            count => format!(" and {}", counted(count, "exemplar")),
        };
        format!(
            "Azure refused {}{exemplars} of {} series of this batch and stored the other {}: {names}{more}",
            counted(self.refused_samples, "sample"),
            self.refused_series,
            counted(self.stored_samples, "sample")
        )
    }
}

/// `1 sample`, `2 samples`.
fn counted(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(status: u16, fields: &[(&str, &str)]) -> Received {
        let fields =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Received { status, fields, body: b"no\n".to_vec() }
    }

    fn samples(count: u64, histograms: u64) -> Samples {
        Samples { count, histograms, ..Samples::default() }
    }

    #[test]
    fn written_counts_of_a_2_0_receiver_are_summed_and_never_invented() {
        let mut account = Account::default();
        let refusal = received(400, &[("x-request-id", "7")]);
        account.refuse(&samples(1, 0), true, Reason::Other, || "a".to_owned());
        account.store(&samples(7, 0));
        let answer = account.answer(Message::V2, &refusal, true);
        assert!(answer.fields.iter().all(|(name, _)| !name.contains("written")));
        for samples in ["2", "0", "5"] {
            account.accept(&received(
                204,
                &[("x-samples-written", samples), ("x-histograms-written", "0")],
            ));
        }
        let answer = account.answer(Message::V2, &refusal, true);
        assert_eq!(answer.status, 400);
        for (name, value) in
            [("x-samples-written", "7"), ("x-histograms-written", "0"), ("x-request-id", "7")]
        {
            assert_eq!(answer.field(name), Some(value));
        }
        assert_eq!(account.answer(Message::V2, &refusal, false).status, 204);
    }

    #[test]
    fn a_batch_that_an_earlier_request_stored_is_accepted() {
        for status in [400, 413] {
            let answer = Account::default().answer(Message::V1, &received(status, &[]), false);
            assert_eq!(answer, Received { status: 204, ..Received::default() });
        }
        assert!(Account::default().describe(false).ends_with("stored for an earlier request"));
    }

    #[test]
    fn the_answer_says_what_was_refused_and_why() {
        let mut account = Account::default();
        account.store(&samples(1995, 5));
        for number in 0..5 {
            for is_new in [true, false] {
                account.refuse(&samples(2, 0), is_new, Reason::TooOld, || format!("m{number}{{}}"));
            }
        }
        let answer = account.answer(Message::V1, &received(400, &[]), true);
        let written = ["samples", "histograms", "exemplars"]
            .map(|kind| answer.field(&format!("x-prometheus-remote-write-{kind}-written")));
        assert_eq!(written, [Some("1990"), Some("5"), Some("0")]);
        assert_eq!(
            String::from_utf8(answer.body).unwrap(),
            "Azure refused 20 samples of 5 series of this batch and stored the other 1995 samples: m0{} (too_old), m1{} (too_old), m2{} (too_old) and 2 more; Azure says: no\n"
        );
    }

    #[test]
    fn one_sample_is_not_called_samples() {
        let mut account = Account::default();
        account.store(&samples(1, 0));
        assert!(account.describe(false).ends_with("its parts: 1 sample"));
        assert!(account.progress().contains("1 sample stored so far and 0 refused"));
        let refused = Samples { exemplars: 1, ..samples(1, 0) };
        account.refuse(&refused, true, Reason::Other, || "m".to_owned());
        assert_eq!(
            account.describe(true),
            "Azure refused 1 sample and 1 exemplar of 1 series of this batch and stored the other 1 sample: m (other)"
        );
    }

    #[test]
    fn a_batch_that_was_settled_before_is_not_counted_again() {
        let answer = Account::default().answer(Message::V1, &received(400, &[]), true);
        assert_eq!(answer.status, 400);
        assert!(String::from_utf8(answer.body).unwrap().contains("in an earlier request"));
    }

    #[test]
    fn a_receiver_that_stores_a_part_says_so() {
        assert!(is_partial_write(&received(400, &[("x-samples-written", "2")])));
        assert!(!is_partial_write(&received(400, &[("x-samples-written", "0")])));
        assert!(!is_partial_write(&received(400, &[])));
    }
}
