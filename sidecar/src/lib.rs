//! The authenticating remote-write proxy.
//!
//! Prometheus posts to `http://localhost:8081/api/v1/write`; the sidecar adds a
//! bearer token and posts to the metrics ingestion endpoint of Azure Monitor.
//!
//! # Life of a remote-write request
//!
//! 1. [`server`] accepts the connection in one of its [`slots`], which
//!    decides whether it may write: both ends of its socket must be loopback.
//! 2. [`connection`] reads the headers ([`http1`]), routes by path and method, and
//!    reads the whole body into bounded [`memory`]. One deadline runs from the
//!    first byte.
//! 3. [`forward`], on one screen, handles the request. There is one for each
//!    destination, and they share nothing but tokens:
//!    1. [`wire`] checks headers and the announced length: the body is not decoded;
//!    2. [`token`] returns the current token, which a separate task fetches ahead of
//!       need through [`identity`];
//!    3. [`upstream`] posts the received bytes over a pooled TLS connection, which
//!       [`dial`] opened;
//!    4. after a 401, [`token`] fetches another one, once for all requests that got
//!       a 401, and the same bytes are posted again;
//!    5. if Azure refuses a batch for its size, or because of single series,
//!       [`rescue`] decodes it and stores the valid part;
//!    6. [`outcome`] decides, as a pure function, how Prometheus is answered.
//! 4. [`explain`] turns a rejection into a sentence for the log, [`notices`] limits
//!    it to one a minute, [`metrics`] and [`summary`] count.
//! 5. [`connection`] writes the [`answer`] and waits for the next request.
//!
//! After SIGTERM, [`drain`] decides when all clients have finished; [`mod@run`]
//! assembles all parts.
//!
//! There are two other commands: [`mod@check`] tests every step that a request needs, and
//! [`mod@native`] prints the equivalent configuration of Prometheus itself.
//!
//! # Invariants
//!
//! * Only `main.rs` uses the environment, the clock and signals, or binds a
//!   socket (but `azure_identity` reads a platform's variables itself). The crate
//!   defines no trait.
//! * The received bytes are forwarded unchanged; as long as Azure accepts them,
//!   nothing is decompressed, decoded or encoded.
//! * A request never waits for a token while a valid one is available, and never
//!   makes a credential fetch one itself.
//! * An answer is final only if Azure's response proves something about the batch
//!   itself; everything else is a 5xx, which Prometheus retries.
//! * No redirect is followed, verification cannot be disabled, and no secret
//!   reaches a log, a metric, an error or `Debug`.
//! * Memory is bounded whatever is sent, however slowly.
//! * Modules import each other in one direction, and none imports [`mod@check`],
//!   [`mod@native`] or [`mod@run`]: a test follows all imports.

mod answer;
mod backoff;
mod check;
mod clock;
mod configuration;
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
pub use configuration::configuration;
pub use explain::Code;
pub use native::{Language, native};
pub use run::run;
pub use trust::{Trust, TrustError};
pub use watchdog::Heartbeat;

/// This program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
