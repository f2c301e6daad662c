//! The webhook's certificate: who issues it and how it reaches both sides.
//!
//! The API server calls the webhook over TLS and trusts exactly the CA
//! bundle in the `MutatingWebhookConfiguration`. This crate issues a CA with
//! one serving certificate, and stores both:
//!
//! * [`issue`]: creates a CA and the only certificate that it signs;
//! * [`directory`]: writes them into a directory, for local runs and tests;
//! * [`rotate`]: keeps them valid in a cluster, without denying a pod;
//! * [`admin`]: probes and metrics of the process that does so;
//! * [`pair`] and [`bundle`]: the content of the stored objects, validated;
//! * [`lifetime`]: the lifetime of a certificate, as users write it.
//!
//! # Invariants
//!
//! * A CA's private key is never stored. It signs one certificate and is
//!   discarded; a new certificate has a new CA. So someone who steals what is stored
//!   on a disk, in a Secret or in a pod can impersonate the webhook only until that one
//!   certificate expires.
//! * Private keys are in no log, error or `Debug` output.
//! * The clock is an argument; only `main` reads it.

pub mod admin;
pub mod bundle;
pub mod directory;
pub mod issue;
pub mod lifetime;
pub mod pair;
pub mod rotate;

/// This program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
