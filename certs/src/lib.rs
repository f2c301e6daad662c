//! The webhook's certificate: who issues it and how it reaches both sides.
//!
//! The API server calls the webhook over TLS and trusts exactly the CA
//! bundle in the `MutatingWebhookConfiguration`. This crate issues a CA with
//! one serving certificate and puts each where it belongs:
//!
//! * [`issue`]: makes a CA and the one certificate that it ever signs;
//! * [`directory`]: writes them into a directory, for local runs and tests;
//! * [`rotate`]: keeps them valid in a cluster, without refusing a pod;
//! * [`admin`]: probes and metrics of the process that does so;
//! * [`pair`] and [`bundle`]: what a cluster stores, checked;
//! * [`lifetime`]: how long a certificate lives, as people write it.
//!
//! # Invariants
//!
//! * A CA's private key is never stored. It signs one certificate and is
//!   dropped; a new certificate brings a new CA. So nothing that can be stolen
//!   from a disk, a Secret or a pod lets anybody pose as the webhook for
//!   longer than that one certificate lives.
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
