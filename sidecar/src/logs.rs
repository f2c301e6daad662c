//! What is logged, and in which form.

use std::io;

use contract::{LogFormat, LogLevel};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt, registry::Registry};

/// A subscriber that writes to standard error.
///
/// Libraries are heard from `warn` on, whatever the level: at their lower
/// levels some log header fields and bodies.
pub fn subscriber(level: LogLevel, format: LogFormat) -> impl Subscriber + Send + Sync {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let ours = env!("CARGO_PKG_NAME");
    let filter = Targets::new().with_default(LevelFilter::WARN.min(level)).with_target(ours, level);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Logfmt => {
            Box::new(tracing_logfmt::builder().with_target(false).layer().with_writer(io::stderr))
        }
        LogFormat::Json => Box::new(
            fmt::layer().json().flatten_event(true).with_target(false).with_writer(io::stderr),
        ),
    };
    Registry::default().with(layer.with_filter(filter))
}
