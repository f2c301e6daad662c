//! What happens to the product.

use std::{fmt, time::Duration};

use rustix::process::Signal;
use tests::{
    azure::{Fault, Moment, Service},
    failure::Outcome,
};
use tokio::time::sleep;

use super::{chance::Chance, fleet::Fleet};

/// A fault lasts so long: longer than a sidecar's own retries and pauses.
const LASTS: Duration = Duration::from_secs(10);

/// One of them at a time.
#[derive(Clone)]
pub(crate) enum Event {
    /// A service of Azure's misbehaves for a while.
    Azure(Service, &'static str, Fault),
    /// All tokens are revoked.
    Revocation,
    /// The application has a new certificate, which the CSI driver mounts, and the old one
    /// is no longer registered.
    Certificate,
    /// A sidecar is restarted, after this signal.
    Restart(Signal),
    /// The webhook's configuration is replaced.
    Configuration,
    /// The webhook's certificate and its CA are replaced.
    WebhookCertificate,
}

impl Event {
    fn all() -> Vec<Self> {
        let slow = Duration::from_secs(3);
        let ingestion = [
            ("answers 400", Fault::status(400)),
            ("answers 401", Fault::status(401)),
            ("answers 403", Fault::status(403)),
            ("answers 404", Fault::status(404)),
            ("answers 429", Fault::status(429).header("retry-after", "2")),
            ("answers 500", Fault::status(500)),
            ("answers 503", Fault::status(503).header("retry-after", "3")),
            ("never answers", Fault::hang()),
            ("answers after 3 s", Fault::delay(slow)),
            ("reads slowly", Fault::slow_reading(Duration::from_millis(100))),
            ("breaks connections at once", Fault::drop(Moment::BeforeBody)),
            ("breaks connections within a body", Fault::drop(Moment::MidBody)),
            ("stores, and breaks connections", Fault::drop(Moment::AfterWork)),
            ("stores, and breaks its answer off", Fault::drop(Moment::MidAnswer)),
        ];
        let identity = [
            ("answers 429", Fault::status(429).header("retry-after", "5")),
            ("answers 500", Fault::status(500)),
            ("never answers", Fault::hang()),
            ("answers after 3 s", Fault::delay(slow)),
        ];
        let of = |service, faults: &[(&'static str, Fault)]| {
            let events =
                faults.iter().map(|(text, fault)| Self::Azure(service, text, fault.clone()));
            events.collect::<Vec<_>>()
        };
        let mut all = of(Service::Ingestion, &ingestion);
        all.extend(of(Service::Imds, &identity));
        all.extend(of(Service::Entra, &identity));
        all.extend([Self::Revocation, Self::Certificate]);
        all.extend([Self::Configuration, Self::WebhookCertificate]);
        all.extend([Self::Restart(Signal::TERM), Self::Restart(Signal::KILL)]);
        all
    }

    /// One by chance.
    pub(crate) fn by(chance: &mut Chance) -> Self {
        chance.of(&Self::all()).cloned().unwrap_or(Self::Revocation)
    }

    /// Until it is over.
    pub(crate) async fn happen(self, fleet: &mut Fleet, chance: &mut Chance) -> Outcome<()> {
        match self {
            Self::Azure(service, _, fault) => {
                fleet.scene.azure.faults(service).always(fault);
                sleep(LASTS).await;
                fleet.scene.azure.faults(service).clear();
            }
            Self::Revocation => fleet.scene.azure.tokens().revoke_all(),
            Self::Certificate => fleet.renew_certificate()?,
            Self::Restart(signal) => fleet.restart(signal, chance).await?,
            Self::Configuration => fleet.changes.configure(&fleet.webhook)?,
            Self::WebhookCertificate => fleet.changes.renew(&fleet.webhook)?,
        }
        Ok(())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Azure(service, text, _) => write!(f, "{service:?} {text}"),
            Self::Revocation => f.write_str("all tokens are revoked"),
            Self::Certificate => f.write_str("the application has a new certificate"),
            Self::Restart(signal) if *signal == Signal::KILL => f.write_str("a sidecar is killed"),
            Self::Restart(_) => f.write_str("a sidecar is stopped and started again"),
            Self::Configuration => f.write_str("the webhook's configuration is replaced"),
            Self::WebhookCertificate => f.write_str("the webhook's certificate is replaced"),
        }
    }
}
