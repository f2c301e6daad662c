//! The one task that fetches tokens.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, info, warn};

use super::{Tokens, schedule};
use crate::{
    backoff::chance,
    explain,
    identity::{
        FetchError, FetchErrorKind, Issuer, RENEWAL_ADVICE, Reload, Summary, Token,
        WARN_BEFORE_EXPIRY,
    },
    metrics::Metrics,
    notices::Notices,
};

/// At least so often, files are compared (the CSI driver itself looks every two minutes)
/// and the time left is looked at again: a sleep lasts longer on a paused machine.
const INTERVAL: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_hours(24);

/// Fetches tokens for `tokens`, which the destinations with these `metrics` share,
/// until it is dropped.
pub(crate) async fn refresh(issuer: Issuer, tokens: Tokens, metrics: Vec<Arc<Metrics>>) {
    let names = metrics.iter().map(|one| one.name().unwrap_or("unnamed"));
    let destination = (metrics.len() > 1).then(|| names.collect::<Vec<_>>().join(","));
    let destination = destination.or_else(|| metrics.first()?.name().map(str::to_owned));
    let mut task = Refresh {
        issuer,
        tokens,
        destination,
        metrics,
        failures: 0,
        notices: Notices::default(),
        due: Instant::now(),
        not_before: Instant::now(),
        reason: "start",
        was_valid: false,
        warned_of_expiry: None,
    };
    loop {
        if task.due <= Instant::now() {
            task.fetch().await;
        }
        task.wait().await;
    }
}

struct Refresh {
    issuer: Issuer,
    tokens: Tokens,
    /// The destinations that share the tokens; `None` for the unnamed one alone.
    destination: Option<String>,
    metrics: Vec<Arc<Metrics>>,
    /// In a row.
    failures: u32,
    /// What failed, Entra's code for it, and whether a token is still held.
    notices: Notices<(FetchErrorKind, Option<u32>, bool)>,
    due: Instant,
    /// Until then the service wants to be left alone.
    not_before: Instant,
    /// Why the next fetch is begun.
    reason: &'static str,
    /// The current token had not expired when it arrived.
    was_valid: bool,
    warned_of_expiry: Option<Instant>,
}

impl Refresh {
    async fn fetch(&mut self) {
        self.tokens.shared.held.send_modify(|held| held.fetching = true);
        let fetched = self.issuer.fetch().await;
        let result = fetched.as_ref().map_or_else(|error| error.kind.as_str(), |_| "ok");
        self.count(self.reason, result);
        match fetched {
            Ok(token) => self.succeeded(token),
            Err(error) => self.failed(&error),
        }
        self.note_certificates();
    }

    fn count(&self, reason: &'static str, result: &'static str) {
        for metrics in &self.metrics {
            metrics.fetched(reason, result);
        }
    }

    /// Tries a certificate that Entra has not accepted yet. Nothing is lost if it still
    /// does not: the issuer reports it, and the current token stays in use.
    async fn try_next_certificate(&mut self) {
        match self.issuer.try_next_certificate().await {
            Some(Ok(token)) => {
                self.count("certificate", "ok");
                self.succeeded(token);
            }
            Some(Err(error)) => {
                self.heed(error.retry_after.map(|asked| asked.min(schedule::MAX_ASKED)));
            }
            None => {}
        }
    }

    /// Leaves the service alone for as long as it asks.
    fn heed(&mut self, asked: Option<Duration>) {
        let Some(asked) = asked else { return };
        let not_before = Instant::now() + asked;
        self.not_before = not_before;
        self.tokens.shared.held.send_modify(|held| {
            held.no_force_before = held.no_force_before.max(Some(not_before));
        });
    }

    fn succeeded(&mut self, token: Token) {
        let now = (self.tokens.shared.now)();
        let left = token.expires_on.duration_since(now).unwrap_or_default();
        let before = self.tokens.shared.held.borrow().token.clone();
        let again = before.is_some_and(|before| before.authorization == token.authorization);
        self.failures = 0;
        self.notices = Notices::default();
        self.was_valid = !left.is_zero();
        self.next("due", schedule::after_success(left, again, chance()));
        for metrics in &self.metrics {
            metrics.token_ends(token.expires_on);
        }
        let destination = self.destination.as_deref();
        if left.is_zero() {
            error!(
                destination,
                "the token that was just issued has already expired: this machine's clock is ahead of Azure's"
            );
        } else {
            info!(destination, valid_seconds = left.as_secs(), "token obtained");
        }
        self.tokens.shared.held.send_modify(|held| {
            held.token = Some(Arc::new(token));
            held.trouble = None;
            held.fetching = false;
            held.attempts += 1;
        });
    }

    fn failed(&mut self, error: &FetchError) {
        self.failures = self.failures.saturating_add(1);
        let usable = self.tokens.usable();
        let left = usable.as_ref().and_then(|token| self.left(token)).unwrap_or_default();
        let pause = schedule::after_failure(self.failures, error.retry_after, left, chance());
        self.heed(error.retry_after.map(|asked| asked.min(pause)));
        self.next("retry", pause);
        self.log(error, usable.is_some(), left, pause);
        self.tokens.shared.held.send_modify(|held| {
            held.trouble = Some(error.to_string());
            held.fetching = false;
            held.attempts += 1;
        });
    }

    fn log(&self, error: &FetchError, is_held: bool, left: Duration, pause: Duration) {
        let subject = (error.kind, error.code, is_held);
        let Some(held_back) = self.notices.may_say(subject) else { return };
        let (reason, valid_seconds) = (error.kind.as_str(), left.as_secs());
        let retry_seconds = format!("{:.1}", pause.as_secs_f64());
        let destination = self.destination.as_deref();
        let trouble = error.to_string();
        // Of several, each has variables of its own.
        let text = if let [metrics] = self.metrics.as_slice() {
            explain::with_variables_of(metrics.name(), &trouble)
        } else {
            trouble
        };
        if is_held {
            warn!(
                destination,
                reason,
                valid_seconds,
                retry_seconds,
                held_back,
                "no new token, the old one is still valid: {text}"
            );
        } else {
            error!(destination, reason, retry_seconds, held_back, "no token: {text}");
        }
    }

    /// Until the next fetch is due, a request wants one, or it is time to look
    /// at the files again.
    async fn wait(&mut self) {
        let until = self.due.min(Instant::now() + INTERVAL);
        let shared = Arc::clone(&self.tokens.shared);
        tokio::select! {
            () = sleep_until(until) => {}
            () = shared.fetch_requested.notified() => return self.forced(),
        }
        let destination = self.destination.clone();
        match self.issuer.reload().await {
            Reload::Unchanged => {}
            Reload::Changed => {
                info!(destination, "the certificate's file has changed");
                if self.issuer.next_certificate().is_none() {
                    self.next("certificate", Duration::ZERO);
                }
            }
            // Each attempt says why there is no certificate.
            Reload::Failed(_) if self.issuer.certificate().is_none() => {}
            Reload::Failed(reason) => {
                warn!(
                    destination,
                    "the certificate's file has changed but cannot be used, the old one is kept: {reason}"
                );
            }
        }
        if self.not_before <= Instant::now() && self.issuer.next_certificate().is_some() {
            self.try_next_certificate().await;
        }
        self.note_certificates();
        // After a paused machine the monotonic clock may lag behind the wall's.
        if self.was_valid && self.tokens.usable().is_none() && self.failures == 0 {
            debug!(destination, "the token expired before its refresh was due");
            self.was_valid = false;
            self.next("due", Duration::ZERO);
        }
    }

    /// A refused token: fetched at once, unless that was done just now.
    fn forced(&mut self) {
        let now = Instant::now();
        if self.tokens.shared.held.borrow().no_force_before.is_some_and(|until| until > now) {
            return;
        }
        let no_force_before = now + schedule::after_forced(chance());
        self.tokens.shared.held.send_modify(|held| held.no_force_before = Some(no_force_before));
        self.next("unauthorized", Duration::ZERO);
    }

    fn next(&mut self, reason: &'static str, pause: Duration) {
        self.reason = reason;
        let due = self.not_before.max(Instant::now() + pause);
        self.due = due;
        self.tokens.shared.held.send_modify(|held| held.next = Some(due));
    }

    fn left(&self, token: &Token) -> Option<Duration> {
        token.expires_on.duration_since((self.tokens.shared.now)()).ok()
    }

    /// Keeps the metrics of certificates, and warns each day of an end that is near.
    fn note_certificates(&mut self) {
        let (in_use, next) = (self.issuer.certificate(), self.issuer.next_certificate());
        let end = |certificate: Option<&Summary>| certificate.map(|known| known.not_after);
        for metrics in &self.metrics {
            metrics.certificates_end(end(in_use), end(next));
        }
        let Some(in_use) = in_use else { return };
        let left = in_use.not_after.duration_since((self.tokens.shared.now)()).unwrap_or_default();
        let warned = self.warned_of_expiry.is_some_and(|at| at.elapsed() < DAY);
        if left > WARN_BEFORE_EXPIRY || warned {
            return;
        }
        self.warned_of_expiry = Some(Instant::now());
        let destination = self.destination.as_deref();
        let days = left.as_secs() / DAY.as_secs();
        let advice = match next {
            Some(next) => format!("register the new one, {next}, with the application"),
            None => RENEWAL_ADVICE.to_owned(),
        };
        if left.is_zero() {
            error!(destination, certificate = %in_use, "the application's certificate has expired: {advice}");
        } else {
            warn!(destination, certificate = %in_use, days, "the application's certificate expires soon: {advice}");
        }
    }
}
