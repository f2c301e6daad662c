//! What the programs log, and in which form: the one that Prometheus and
//! Microsoft's sidecar have, so that an operator's queries and runbooks go on
//! working, or JSON.

mod logfmt;

use std::io;

use contract::{LogFormat, LogLevel};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt, registry::Registry};

use self::logfmt::Logfmt;

/// A subscriber that writes to standard error.
///
/// `ours` names the crates whose level is `level`. Libraries are heard from
/// `warn` on, whatever the level: below it some log header fields and bodies,
/// which may be secret.
pub fn subscriber(
    ours: &[&str],
    level: LogLevel,
    format: LogFormat,
) -> impl Subscriber + Send + Sync {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let libraries = LevelFilter::WARN.min(level);
    let filter = Targets::new()
        .with_default(libraries)
        .with_targets(ours.iter().map(|name| ((*name).to_owned(), level)))
        // It returns its errors as well, and our programs report them once.
        .with_target("kube_client", LevelFilter::OFF);
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Logfmt => Box::new(lines.event_format(Logfmt)),
        LogFormat::Json => Box::new(lines.json().flatten_event(true)),
    };
    Registry::default().with(layer.with_filter(filter))
}
