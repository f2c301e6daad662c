//! Whether a refusal is about a batch or about everything.
//!
//! A 400 may be caused by one series, or by settings that make Azure refuse every
//! request: then nothing may be dropped. While the same destination has accepted
//! nothing since it began to refuse, a refusal proves nothing about the batch.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::chunk::first_record;
use crate::http1::Message;

/// What a destination has accepted.
#[derive(Default)]
pub(super) struct Evidence(Mutex<State>);

#[derive(Default)]
struct State {
    /// How many requests it has accepted.
    accepted: u64,
    /// When the last of them was sent. An acceptance proves nothing about refusals after the
    /// request was sent, however late its answer arrived.
    accepted_at: Option<Instant>,
    controls: Controls,
    pause: Option<Pause>,
}

/// The pause after an attempt that found nothing accepted.
struct Pause {
    begun: Instant,
    /// When one more series was last sent.
    asked_at: Instant,
}

/// One for each version of the message.
#[derive(Default)]
struct Controls {
    v1: Known,
    v2: Known,
}

/// A control, if there is one, and when to look for the next; `None`: at once.
#[derive(Default)]
struct Known {
    control: Option<Control>,
    next: Option<Instant>,
    /// When it was refused, since it was accepted.
    refused_at: Option<Instant>,
    /// It is refused for itself.
    is_refused: bool,
}

impl Known {
    fn replace(&mut self, raw: Vec<u8>, now: Instant) {
        let control = Some(Control { raw, since: now });
        *self = Self { control, next: self.next, ..Self::default() };
    }

    fn lately(&self, now: Instant) -> Option<&Control> {
        self.control.as_ref().filter(|control| now.duration_since(control.since) < CONTROL_AGE)
    }
}

/// A record that was stored: if it is refused, so is everything.
struct Control {
    /// A message with it, not compressed.
    raw: Vec<u8>,
    since: Instant,
}

/// The control is replaced at this interval: it must not become too old for Azure (20
/// minutes), and reading one out of a batch costs CPU.
const CONTROL_INTERVAL: Duration = Duration::from_secs(30);
/// The interval after a batch without a record, such as one of metadata only: looking
/// into every batch would take up to 20 % more CPU.
const CONTROL_RETRY: Duration = Duration::from_secs(1);
/// An older control may be refused for its age.
const CONTROL_AGE: Duration = Duration::from_mins(15);
/// The pause after an attempt that found nothing accepted: short enough for senders of
/// which each batch has a bad series, so that none is accepted as a whole.
const NOTHING_INTERVAL: Duration = Duration::from_secs(8);
/// The interval at which, within that pause, one series of a batch is sent: short enough
/// where nearly all series are bad, and cheap compared with the refused batches themselves.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

impl Controls {
    const fn of(&mut self, message: Message) -> &mut Known {
        match message {
            Message::V1 => &mut self.v1,
            Message::V2 => &mut self.v2,
        }
    }
}

impl State {
    fn accept(&mut self, sent: Instant) {
        self.accepted += 1;
        self.accepted_at = self.accepted_at.max(Some(sent));
    }

    fn accepted_since(&self, then: Instant) -> bool {
        self.accepted_at >= Some(then)
    }

    fn accepts_nothing(&self, now: Instant) -> bool {
        self.pause.as_ref().is_some_and(|pause| {
            now.duration_since(pause.begun) < NOTHING_INTERVAL && !self.accepted_since(pause.begun)
        })
    }
}

impl Evidence {
    /// The destination accepted a whole batch that was sent at `sent`.
    pub(super) fn accepted_batch(&self, message: Message, body: &[u8], sent: Instant) {
        let now = Instant::now();
        let state = &mut *self.state();
        state.accept(sent);
        let known = state.controls.of(message);
        if known.next.is_some_and(|next| now < next) {
            return;
        }
        let found = first_record(message, body);
        let pause = if found.is_some() { CONTROL_INTERVAL } else { CONTROL_RETRY };
        known.next = Some(now + pause);
        if let Some(raw) = found {
            known.replace(raw, now);
        }
    }

    /// The destination accepted a piece, of which `record` makes a message with one
    /// record: where every batch is refused for something, there is no other control.
    pub(super) fn accepted_record(
        &self,
        message: Message,
        sent: Instant,
        record: impl FnOnce() -> Option<Vec<u8>>,
    ) {
        let now = Instant::now();
        let state = &mut *self.state();
        state.accept(sent);
        let known = state.controls.of(message);
        // The same one throughout a search: whatever is asked, one sample is resent.
        let is_old = known.is_refused
            || known
                .control
                .as_ref()
                .is_none_or(|control| now.duration_since(control.since) >= CONTROL_AGE / 2);
        if is_old && let Some(raw) = record() {
            known.replace(raw, now);
        }
    }

    /// How many requests the destination has accepted.
    pub(super) fn accepted(&self) -> u64 {
        self.state().accepted
    }

    /// When the last accepted request was sent.
    pub(super) fn accepted_at(&self) -> Option<Instant> {
        self.state().accepted_at
    }

    /// Whether it has accepted something that was sent since `then`.
    pub(super) fn accepted_since(&self, then: Instant) -> bool {
        self.state().accepted_since(then)
    }

    /// A body with one record that it accepted recently.
    pub(super) fn control(&self, message: Message, now: Instant) -> Option<Vec<u8>> {
        let mut state = self.state();
        state.controls.of(message).lately(now).map(|control| compressed(&control.raw))
    }

    /// Whether there is one.
    pub(super) fn has_control(&self, message: Message, now: Instant) -> bool {
        self.state().controls.of(message).lately(now).is_some()
    }

    /// The control that was sent at `sent` was accepted or refused. After two refusals with
    /// an acceptance in between it is bad by now, and another one is looked for.
    pub(super) fn asked_control(&self, message: Message, sent: Instant, is_accepted: bool) {
        let state = &mut *self.state();
        let accepted_at = state.accepted_at;
        let known = state.controls.of(message);
        if is_accepted {
            known.refused_at = None;
            state.accept(sent);
        } else if known.refused_at.is_some_and(|at| accepted_at >= Some(at)) {
            (known.is_refused, known.next) = (true, None);
        } else {
            known.refused_at.get_or_insert(sent);
        }
    }

    /// An attempt found nothing accepted.
    pub(super) fn nothing_accepted(&self, now: Instant) {
        let mut state = self.state();
        // Requests within the pause do not prolong it.
        if !state.accepts_nothing(now) {
            state.pause = Some(Pause { begun: now, asked_at: now });
        }
    }

    /// Whether the pause after that still lasts: nothing has been accepted since.
    pub(super) fn accepts_nothing(&self, now: Instant) -> bool {
        self.state().accepts_nothing(now)
    }

    /// Whether a batch may send one series within the pause; if so, no other one may for
    /// [`ASK_INTERVAL`].
    pub(super) fn may_ask(&self, now: Instant) -> bool {
        let mut state = self.state();
        let Some(pause) = &mut state.pause else { return true };
        let may_ask = now.duration_since(pause.asked_at) >= ASK_INTERVAL;
        if may_ask {
            pause.asked_at = now;
        }
        may_ask
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn compressed(message: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_accepted_until_something_is() {
        let evidence = Evidence::default();
        let begun = Instant::now();
        assert!(!evidence.accepted_since(begun));
        evidence.nothing_accepted(begun);
        advance(Duration::from_secs(1)).await;
        assert!(evidence.accepts_nothing(Instant::now()));
        advance(NOTHING_INTERVAL).await;
        assert!(!evidence.accepts_nothing(Instant::now()), "long ago");
        evidence.nothing_accepted(Instant::now());
        advance(Duration::from_secs(1)).await;
        evidence.accepted_batch(Message::V1, &[], Instant::now());
        assert!(evidence.accepted_since(begun));
        assert!(!evidence.accepts_nothing(Instant::now()));
        assert!(!evidence.accepted_since(Instant::now() + Duration::from_millis(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_says_nothing_about_what_came_after_the_request() {
        let evidence = Evidence::default();
        let sent = Instant::now();
        advance(Duration::from_secs(1)).await;
        let refused = Instant::now();
        advance(Duration::from_secs(1)).await;
        evidence.accepted_batch(Message::V1, &[], sent);
        assert!(!evidence.accepted_since(refused));
        evidence.accepted_batch(Message::V1, &[], Instant::now());
        evidence.accepted_batch(Message::V1, &[], sent);
        assert!(evidence.accepted_since(refused), "a late answer takes nothing away");
    }

    #[tokio::test(start_paused = true)]
    async fn a_control_is_looked_for_now_and_then() {
        let evidence = Evidence::default();
        let metadata = compressed(&[0x1a, 0]);
        let series = compressed(&[0x0a, 2, 0x12, 0]);
        let accepted = |body: &[u8]| {
            evidence.accepted_batch(Message::V1, body, Instant::now());
            evidence.control(Message::V1, Instant::now())
        };
        assert_eq!(accepted(&metadata), None);
        assert_eq!(accepted(&series), None, "within the pause");
        advance(CONTROL_RETRY).await;
        let control = accepted(&series);
        assert!(control.is_some());
        advance(CONTROL_INTERVAL).await;
        assert_eq!(accepted(&metadata), control, "the last one is kept");
        advance(CONTROL_AGE).await;
        assert_eq!(accepted(&metadata), None, "it is too old");
    }
}
