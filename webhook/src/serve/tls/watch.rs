//! Polls the files of TLS, and logs changes.

use std::{sync::Arc, time::SystemTime};

use super::{Reload, Tls};
use crate::{
    metrics::Metrics,
    serve::{POLL_INTERVAL, admin::Readiness, routes::Shared, with_cause},
};

/// The files, and what was logged about them last.
pub struct Watch {
    tls: Arc<Tls>,
    shared: Arc<Shared>,
    ready: Readiness,
    certificate: Subject,
    client_ca: Subject,
}

/// One kind of file.
struct Subject {
    name: &'static str,
    taken: &'static str,
    kept: &'static str,
    lacking: &'static str,
    remedy: &'static str,
    count: fn(&Metrics, bool),
    /// The problem that was logged last: it is logged once, not every two seconds.
    logged: Option<String>,
}

const CERTIFICATE: Subject = Subject {
    name: "certificate",
    taken: "loaded a new certificate",
    kept: "kept the old certificate",
    lacking: "not ready: nothing is served without a certificate",
    remedy: "prom-remotewrite-certs repairs its Secret within seconds: if this lasts, read its log; if the certificate comes from elsewhere, put a valid pair into the Secret",
    count: Metrics::certificate_reloaded,
    logged: None,
};
const CLIENT_CA: Subject = Subject {
    name: "client CA",
    taken: "loaded a new client CA",
    kept: "kept the old client CA",
    lacking: "not ready: nothing is served without a client CA",
    remedy: "put the CA of the API servers' client certificate, in PEM, into the object that webhook.clientCA in the chart names",
    count: Metrics::client_ca_reloaded,
    logged: None,
};

impl Watch {
    /// Looks for the first time, at the time `now`.
    pub fn start(tls: Arc<Tls>, shared: Arc<Shared>, ready: Readiness, now: SystemTime) -> Self {
        let looked = tls.reload(now);
        let mut watch = Self { tls, shared, ready, certificate: CERTIFICATE, client_ca: CLIENT_CA };
        // What works from the start is no news.
        watch.report(looked.map(|reload| match reload {
            Reload::Taken => Reload::Unchanged,
            other => other,
        }));
        watch
    }

    /// Looks every two seconds, for ever.
    pub async fn run(mut self, now: fn() -> SystemTime) {
        let mut ticks = tokio::time::interval(POLL_INTERVAL);
        loop {
            ticks.tick().await;
            let tls = self.tls.clone();
            if let Ok(looked) = tokio::task::spawn_blocking(move || tls.reload(now())).await {
                self.report(looked);
            }
        }
    }

    fn report(&mut self, [certificate, client_ca]: [Reload; 2]) {
        let metrics = &self.shared.metrics;
        let expiry = self.tls.certificates.expiry();
        if let Some(expiry) = expiry {
            metrics.certificate_used(expiry);
        }
        let lacking = [
            self.certificate.report(&certificate, expiry.is_some(), expiry, metrics),
            self.client_ca.report(&client_ca, self.tls.is_client_ca_usable(), None, metrics),
        ];
        self.ready.waits_for(lacking.into_iter().flatten().collect());
    }
}

impl Subject {
    /// The error, if nothing is in use.
    fn report(
        &mut self,
        reload: &Reload,
        in_use: bool,
        expiry: Option<i64>,
        metrics: &Metrics,
    ) -> Option<String> {
        let Self { name, taken, kept, lacking, remedy, .. } = *self;
        let problem = match reload {
            Reload::Unchanged => None,
            Reload::Taken => {
                (self.count)(metrics, true);
                tracing::info!(expiry, "{taken}");
                None
            }
            Reload::Refused(error) => Some(with_cause(error)),
        };
        if let Some(error) = problem.as_ref().filter(|error| self.logged.as_ref() != Some(error)) {
            (self.count)(metrics, false);
            if in_use {
                tracing::error!(error, remedy, "{kept}");
            } else {
                tracing::error!(error, remedy, "{lacking}");
            }
        }
        self.logged = problem;
        let problem = self.logged.as_ref().filter(|_| !in_use)?;
        Some(format!("no {name}: {problem}"))
    }
}
