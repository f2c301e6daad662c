//! The authenticating remote-write proxy.
//!
//! Prometheus posts to `http://localhost:8081/api/v1/write`; the sidecar adds a
//! bearer token and posts to the metrics ingestion endpoint of Azure Monitor.
//!
//! # Life of a remote-write request
//!
//! 1. [`server`] accepts the connection in one of its [`slots`], which
//!    reports whether it may write: both ends of its socket must be loopback.
//! 2. [`connection`] reads a head ([`http1`]), routes by path and method, and
//!    reads the body whole into bounded [`memory`]. One deadline runs from the
//!    first byte.
//! 3. [`forward`], on one screen, takes it on. There is one for each destination,
//!    and they share nothing but tokens:
//!    1. [`wire`] judges headers and claimed length: the only look at the body;
//!    2. [`token`] gives the current token, fetched ahead of need by a task of
//!       its own through [`identity`];
//!    3. [`upstream`] posts the received bytes over a kept TLS connection, which
//!       [`dial`] opened;
//!    4. a 401 makes [`token`] fetch another, once for all who met it, and the
//!       same bytes are posted again;
//!    5. a batch that Azure refuses for its size, or for single series, is opened
//!       by [`rescue`], and what is good of it is stored;
//!    6. [`outcome`] says, as a pure function, what Prometheus is told.
//! 4. [`explain`] turns a refusal into a sentence for the log, [`notices`] keeps
//!    it to one a minute, [`metrics`] and [`summary`] count.
//! 5. [`connection`] writes the [`answer`] and waits for the next request.
//!
//! After SIGTERM, [`drain`] decides when no one writes any more; [`mod@run`] puts all of
//! it together.
//!
//! In addition to serving, the program has two other answers: [`mod@check`] looks at all
//! that a request takes for granted, and [`mod@native`] prints what Prometheus' own
//! configuration would be.
//!
//! # Invariants
//!
//! * Nothing but `main.rs` touches environment, clock and signals, or binds a
//!   socket (but `azure_identity` looks for a platform's variables itself). There is
//!   no trait of our own.
//! * The received bytes go out as they came; nothing is decompressed, decoded
//!   or recreated on the good path.
//! * A request never waits for a token while a usable one is held, and never
//!   makes a credential fetch one itself.
//! * An answer is final only if Azure's reply proves something about the batch
//!   itself; everything else is a 5xx, on which Prometheus retries.
//! * No redirect is followed, no verification can be switched off, and nothing
//!   that is secret reaches a log, a metric, an error or `Debug`.
//! * Memory is bounded whatever is sent, however slowly.

mod answer;
mod check;
mod connection;
mod dial;
mod drain;
mod explain;
mod forward;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod http1;
pub mod identity;
mod memory;
mod metrics;
mod native;
mod notices;
mod outcome;
#[cfg(test)]
mod readme;
mod redact;
mod rescue;
mod run;
mod server;
mod slots;
mod summary;
mod token;
mod trust;
mod upstream;
mod watchdog;
mod wire;

pub use check::{Report, Status, Step, check};
pub use explain::Code;
pub use native::{Language, native};
pub use run::{RunError, run};
pub use trust::{Trust, TrustError};
pub use watchdog::Heartbeat;

/// This program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
