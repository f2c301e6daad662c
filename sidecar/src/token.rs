//! Tokens: fetched ahead of need, served while valid, renewed after a rejection.
//!
//! One task fetches; requests only read the current token. So there is never more
//! than one fetch at a time, and no request waits while a valid token exists,
//! however long fetching fails.

mod refresh;
mod schedule;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};

pub(crate) use self::refresh::refresh;
use crate::identity::Token;

/// The token held now, for all who need it.
#[derive(Clone)]
pub(crate) struct Tokens {
    shared: Arc<Shared>,
}

struct Shared {
    held: watch::Sender<Held>,
    /// A request met a refusal and wants another token.
    fetch_requested: Notify,
    now: fn() -> SystemTime,
}

#[derive(Clone, Default)]
struct Held {
    token: Option<Arc<Token>>,
    /// Completed fetches, successful or not.
    attempts: u64,
    /// Why the last fetch failed, if it did.
    trouble: Option<String>,
    /// A fetch is in progress.
    fetching: bool,
    /// When the next fetch begins; at once if it is not known.
    next: Option<Instant>,
    /// Until when no forced fetch is begun.
    no_force_before: Option<Instant>,
}

/// Without a usable token a request waits so long for one: long enough for IMDS
/// and Entra as they usually answer (0.1 to 1 s), short enough that Prometheus
/// hears early what is wrong.
const MAX_WAIT: Duration = Duration::from_secs(2);

impl Tokens {
    pub(crate) fn new(now: fn() -> SystemTime) -> Self {
        let (held, _) = watch::channel(Held::default());
        Self { shared: Arc::new(Shared { held, fetch_requested: Notify::new(), now }) }
    }

    /// The token, if there is one that has not expired.
    pub(crate) fn usable(&self) -> Option<Arc<Token>> {
        let held = self.shared.held.borrow();
        held.token.clone().filter(|token| token.expires_on > (self.shared.now)())
    }

    /// Why there is no usable token, in a few words.
    pub(crate) fn trouble(&self) -> String {
        let held = self.shared.held.borrow();
        let usual = if held.token.is_some() {
            "the token has expired"
        } else {
            "the first one is being fetched"
        };
        held.trouble.clone().unwrap_or_else(|| usual.to_owned())
    }

    /// The token; without one, waits a moment for a fetch that is in progress or about to
    /// begin.
    pub(crate) async fn get(&self, deadline: Instant) -> Option<Arc<Token>> {
        let token = self.usable();
        if token.is_some() {
            return token;
        }
        let until = deadline.min(Instant::now() + MAX_WAIT);
        let mut changes = self.shared.held.subscribe();
        let attempts = {
            let held = changes.borrow_and_update();
            let comes = held.fetching || held.next.is_none_or(|next| next < until);
            if !comes {
                return None;
            }
            held.attempts
        };
        let fetched = changes.wait_for(|held| held.attempts > attempts);
        let _ = timeout_at(until, fetched).await;
        self.usable()
    }

    /// Another token than the `refused` one: the one that has meanwhile come, or
    /// the one that a fetch, begun for all who ask, brings before `deadline`.
    pub(crate) async fn renew(
        &self,
        refused: &Arc<Token>,
        deadline: Instant,
    ) -> Option<Arc<Token>> {
        let mut changes = self.shared.held.subscribe();
        let (attempts, fetching, may_force) = {
            let held = changes.borrow_and_update();
            let quiet = held.no_force_before.is_none_or(|until| until <= Instant::now());
            (held.attempts, held.fetching, quiet)
        };
        if (fetching || may_force) && self.is_held(refused) {
            if !fetching {
                self.shared.fetch_requested.notify_one();
            }
            let fetched = changes.wait_for(|held| held.attempts > attempts);
            let _ = timeout_at(deadline, fetched).await;
        }
        self.usable().filter(|token| token.authorization != refused.authorization)
    }

    fn is_held(&self, token: &Arc<Token>) -> bool {
        let held = self.shared.held.borrow();
        held.token.as_ref().is_some_and(|held| held.authorization == token.authorization)
    }
}
