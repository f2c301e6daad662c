//! The webhook that adds a remote-write sidecar to annotated pods.
//!
//! # Life of an `AdmissionReview`
//!
//! ```text
//! API server ──TLS──▶ serve    accepts, bounds, drains; serve::tls has the certificate
//!                     │        serve::routes: path, method, content type → bytes;
//!                     │        serve::bodies bounds them
//!                     review   reads leniently, keeps the raw pod
//!                     decide   pod + configuration → Inject, Skip, Deny, with a reason   (pure)
//!                              effective: annotations over profile over configuration
//!                     inject   settings → container and volumes, as Kubernetes' types    (pure)
//!                     patch    raw pod + additions → JSON Patch, only `add`              (pure)
//!                     review   applies the patch to a copy; uid, patch, warnings or denial
//! API server ◀─────── serve    200 and the answer; metrics, one line in the log
//! ```
//!
//! Read [`review::answer`] first: it is this picture in code.
//!
//! `kubectl prom-remotewrite`, the crate in `cli`, uses the same decision and the
//! same patch for manifests in files.
//!
//! # Invariants
//!
//! * No review waits for the Kubernetes API: a webhook that calls the API server
//!   while the API server waits for it can deadlock a cluster. This library contains
//!   no client for it; only `verify` does, which `helm test` runs in a pod of its own.
//! * A pod stays JSON. Nothing in it is changed or removed, and fields that are newer
//!   than this program are kept.
//! * The same pod a second time gets an empty patch.
//! * `decide`, `inject` and `patch` are pure and total: they never panic, whatever the
//!   JSON.
//! * A denial lists all errors at once: on a `StatefulSet` its text is all that users
//!   see. A bug of the webhook is a 500, never a denial.
//! * Environment, clock, signals and listening sockets belong to `main`.
//! * Modules import each other in one direction, and none imports [`serve`]: a test follows
//!   all imports.

pub mod config;
pub mod decide;
pub mod effective;
pub mod inject;
pub mod metrics;
pub mod patch;
pub mod pod;
pub mod review;
pub mod serve;

/// This program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests;
