//! What the programs log, and in which form: the one that Prometheus and Microsoft's
//! sidecar have, so that an operator's queries and runbooks keep working, or JSON.

mod logfmt;
mod queue;

use std::{
    io::{self, Write},
    thread,
    time::Duration,
};

use contract::{LogFormat, LogLevel};
use prometheus_client::metrics::counter::Counter;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt, registry::Registry};

use self::{logfmt::Logfmt, queue::Queue};

/// A process has one standard error.
static QUEUE: Queue = Queue::new();
/// How long the end of a process may be delayed by anyone who reads its log.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Logs to standard error from now on, unless that was begun before. Another thread writes,
/// so that no reader of the log can stop the program's work: call [`flush`] before the
/// process exits.
///
/// `ours` names the crates whose level is `level`. Libraries log at `warn` and above,
/// regardless of `level`: below it some log header fields and bodies, which may be
/// secret.
///
/// # Errors
/// Where the system allows no further thread.
pub fn start(ours: &[&str], level: LogLevel, format: LogFormat) -> io::Result<()> {
    if tracing::subscriber::set_global_default(subscriber(ours, level, format)).is_ok() {
        let write = || QUEUE.write_to(io::stderr());
        thread::Builder::new().name("log".to_owned()).spawn(write)?;
    }
    Ok(())
}

/// Waits until all lines are written, for at most a second.
pub fn flush() {
    QUEUE.flush(LAST_WORDS);
}

/// What [`dropped_lines`] counts, for those who read a program's metrics.
pub const DROPPED_LINES: &str = "Log lines that were dropped because the log was not read";

/// For a program's metrics.
pub fn dropped_lines() -> Counter {
    QUEUE.dropped()
}

/// A line on its way into the queue.
struct Line;

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        QUEUE.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn subscriber(
    ours: &[&str],
    level: LogLevel,
    format: LogFormat,
) -> impl Subscriber + Send + Sync + use<> {
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
    let lines = fmt::layer().with_writer(|| Line).with_target(false);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Logfmt => Box::new(lines.event_format(Logfmt)),
        LogFormat::Json => Box::new(lines.json().flatten_event(true)),
    };
    Registry::default().with(layer.with_filter(filter))
}
