//! What the webhook loads again while it runs: its configuration and its certificate.

use std::fmt;

use rustls::RootCertStore;
use serde_json::Value;
use tests::{
    failure::Outcome,
    product::webhook::{IssuedCertificate, Webhook},
};

/// What is written, and how often it was.
pub(crate) struct Changes {
    configuration: String,
    configurations: u32,
    /// Used in turn.
    certificates: [IssuedCertificate; 2],
    renewals: u32,
}

/// How often something was written and how often the webhook loaded it.
pub(crate) struct Reloads([(&'static str, u32, f64); 2]);

impl Changes {
    pub(crate) fn new(configuration: &Value) -> Outcome<Self> {
        let issued = || IssuedCertificate::in_process("localhost");
        Ok(Self {
            configuration: format!("{configuration:#}"),
            configurations: 0,
            certificates: [issued()?, issued()?],
            renewals: 0,
        })
    }

    /// What a client has to trust, all the time.
    pub(crate) fn roots(&self, webhook: &Webhook) -> Outcome<RootCertStore> {
        let mut roots = webhook.certificate().roots()?;
        for certificate in &self.certificates {
            roots.extend(certificate.roots()?.roots);
        }
        Ok(roots)
    }

    /// Writes another configuration with the same meaning: one that is equal is not loaded.
    pub(crate) fn configure(&mut self, webhook: &Webhook) -> Outcome<()> {
        self.configurations += 1;
        webhook.configure(&format!("# {}\n{}", self.configurations, self.configuration))
    }

    /// Replaces the webhook's certificate and its CA.
    pub(crate) fn renew(&mut self, webhook: &Webhook) -> Outcome<()> {
        self.renewals += 1;
        let [one, other] = &self.certificates;
        let next = if self.renewals % 2 == 1 { one } else { other };
        webhook.certificate().replace_with(next)
    }

    /// What the webhook has counted.
    pub(crate) async fn reloads(&self, webhook: &Webhook) -> Outcome<Reloads> {
        let metrics = webhook.metrics().await?;
        let of = |name| {
            let series = format!("prom_remotewrite_webhook_{name}_reloads_total");
            metrics.get(&(series + "{result=\"taken\"}")).copied().unwrap_or_default()
        };
        Ok(Reloads([
            ("configuration", self.configurations, of("config")),
            ("certificate", self.renewals, of("certificate")),
        ]))
    }
}

impl Reloads {
    /// Whether the webhook loaded each change, and nothing else.
    pub(crate) fn are_complete(&self) -> bool {
        self.0.iter().all(|(_, written, loaded)| (f64::from(*written) - loaded).abs() < 0.5)
    }
}

impl fmt::Display for Reloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = self.0.map(|(name, written, loaded)| {
            format!("{name} changed {written} times and loaded {loaded} times")
        });
        write!(f, "the webhook's {one}, {other}")
    }
}
