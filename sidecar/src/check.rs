//! The doctor: says of each thing that a request takes for granted whether it
//! is so, and what to do if not.
//!
//! It goes the sidecar's own way, with its own code: the same settings, trust,
//! connections, tokens and explanations. It binds no port, so it runs beside
//! the sidecar that it is about: `kubectl exec POD -c prom-remotewrite --
//! /prom-remotewrite check`. The one write that it makes is empty.

mod configuration;
mod network;
mod report;
mod source;
mod span;
mod token;
mod write;

use std::time::{Duration, SystemTime};

use contract::Settings;
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
    upstream::Upstream,
};

/// Takes every step that can be taken, all of them within `time`.
pub async fn check(
    lookup: impl Fn(&str) -> Option<String>,
    time: Duration,
    now: fn() -> SystemTime,
) -> Report {
    let mut report = Report::new();
    let Some(settings) = report.note(step::CONFIGURATION, configuration::read(lookup)) else {
        return report;
    };
    let roots = configuration::trusted_roots(&settings);
    let Some(trust) = report.note(step::TRUSTED_ROOTS, roots) else {
        return report;
    };
    let dialer = Dialer::new(settings.proxy.as_ref(), &trust, &DialCounters::default());
    report.note(step::PROXY, configuration::routes(&settings, &dialer));
    let upstream = Upstream::new(&settings.ingestion_url, dialer.clone(), Counter::default());
    let mut checkup = Checkup { settings, report, deadline: Instant::now() + time, now };
    let way = checkup.way(&upstream).await;
    let token = checkup.token(&dialer).await;
    if let (Some(()), Some(token)) = (way, token) {
        checkup.write(&upstream, &token).await;
    }
    checkup.report
}

/// The steps that need the network.
struct Checkup {
    settings: Settings,
    report: Report,
    deadline: Instant,
    now: fn() -> SystemTime,
}

impl Checkup {
    /// The way to the ingestion endpoint, as far as it is open.
    async fn way(&mut self, upstream: &Upstream) -> Option<()> {
        let found = self.in_time(network::dns(upstream)).await;
        self.report.note(step::DNS, found)?;
        let found = self.in_time(network::tcp(upstream)).await;
        let stream = self.report.note(step::TCP, found)?;
        let found = self.in_time(network::tls(upstream, stream, (self.now)())).await;
        self.report.note(step::TLS, found)
    }

    /// A token, and what the identity shows to get it.
    async fn token(&mut self, dialer: &Dialer) -> Option<Token> {
        let mut issuer = match Issuer::new(&self.settings, dialer, self.now) {
            Ok(issuer) => issuer,
            Err(lack) => {
                let found = Found::failed(
                    Code::IdentityIncomplete,
                    "the identity lacks something",
                    lack.to_string(),
                );
                return self.report.note(step::IDENTITY, found);
            }
        };
        let found =
            self.in_time(source::look(&self.settings, dialer, &mut issuer, (self.now)())).await;
        self.report.note(step::IDENTITY, found)?;
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
