//! `check`: verifies each precondition of a write, and suggests fixes.
//!
//! It uses the sidecar's own code: the same settings, trust, connections, tokens and
//! explanations. It binds no port, so it runs next to the sidecar, in the same container:
//! `kubectl exec POD -c prom-remotewrite -- /prom-remotewrite check`. Its only write is
//! empty.

mod configuration;
mod network;
mod report;
mod source;
mod token;
mod write;

use std::time::{Duration, SystemTime};

use contract::Settings;
use futures_util::future::join_all;
use prometheus_client::metrics::counter::Counter;
use tokio::time::{Instant, timeout_at};

use self::report::Found;
pub(crate) use self::report::step;
pub use self::report::{Report, Status, Step};
use crate::{
    dial::Dialer,
    explain::Code,
    identity::{Issuer, Token},
    metrics::DialCounters,
    trust::Trust,
    upstream::Upstream,
};

/// Takes every step that can be taken, all of them within `time`. Destinations are
/// looked at side by side, so that one which hangs takes no time of another.
pub async fn check(
    variables: impl IntoIterator<Item = (String, String)>,
    time: Duration,
    now: fn() -> SystemTime,
) -> Report {
    let deadline = Instant::now() + time;
    let mut report = Report::new();
    let Some(destinations) = report.note(step::CONFIGURATION, configuration::read(variables))
    else {
        return report;
    };
    let roots = configuration::trusted_roots(destinations.sidecar());
    let Some(trust) = report.note(step::TRUSTED_ROOTS, roots) else {
        return report;
    };
    let trust = &trust;
    let checkups = destinations.iter().map(|destination| async move {
        let settings = destination.settings.clone();
        let checkup = Checkup { settings, report: Report::new(), deadline, now };
        (destination, Box::pin(checkup.run(trust)).await)
    });
    report.of_destinations(join_all(checkups).await)
}

/// The steps that are taken for each destination.
struct Checkup {
    settings: Settings,
    report: Report,
    deadline: Instant,
    now: fn() -> SystemTime,
}

impl Checkup {
    async fn run(mut self, trust: &Trust) -> Report {
        let settings = &self.settings;
        let dialer = Dialer::new(settings.proxy.as_ref(), trust, &DialCounters::default());
        self.report.note(step::PROXY, configuration::routes(settings, &dialer));
        let url = &settings.ingestion_url;
        let upstream = Upstream::new(url, dialer.clone(), Counter::default(), 1);
        let reached = self.reach(&upstream).await;
        let token = self.token(&dialer).await;
        if let (Some(()), Some(token)) = (reached, token) {
            self.write(&upstream, &token).await;
        }
        self.report
    }

    /// The way to the ingestion endpoint, as far as it is open.
    async fn reach(&mut self, upstream: &Upstream) -> Option<()> {
        let found = self.in_time(network::dns(upstream)).await;
        self.report.note(step::DNS, found)?;
        let found = self.in_time(network::tcp(upstream)).await;
        let stream = self.report.note(step::TCP, found)?;
        let found = self.in_time(network::tls(upstream, stream, (self.now)())).await;
        self.report.note(step::TLS, found)
    }

    /// A token, and what the identity shows to get it.
    async fn token(&mut self, dialer: &Dialer) -> Option<Token> {
        let mut issuer = Issuer::new(&self.settings, dialer, self.now);
        let found =
            self.in_time(source::look(&self.settings, dialer, &mut issuer, (self.now)())).await;
        self.report.note(step::IDENTITY, found)?;
        if let Some(proxy) = self.settings.identity.token_proxy() {
            let found = self.in_time(source::token_proxy(proxy, &issuer)).await;
            self.report.add_before(step::TOKEN, step::TOKEN_PROXY);
            self.report.note(step::TOKEN_PROXY, found)?;
        }
        let found = self.in_time(token::fetch(&self.settings, &mut issuer, self.now)).await;
        self.report.note(step::TOKEN, found)
    }

    /// A write, and what its answer tells of our clock.
    async fn write(&mut self, upstream: &Upstream, token: &Token) {
        let found = self.in_time(write::nothing(&self.settings, upstream, token)).await;
        if let Some(received) = self.report.note(step::PROBE_WRITE, found) {
            let found = write::compare_clocks(&received, (self.now)());
            self.report.note(step::CLOCK, found);
        }
    }

    /// What a step found, if it found it before the deadline.
    async fn in_time<T>(&self, step: impl Future<Output = Found<T>>) -> Found<T> {
        timeout_at(self.deadline, step).await.unwrap_or_else(|_| {
            Found::failed(
                Code::CheckTimeout,
                "the time for the whole check is over",
                "look at what took so long before it, or give more time with --timeout",
            )
        })
    }
}

#[cfg(test)]
mod tests;
