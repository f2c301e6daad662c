//! The webhook's certificate: who issues it and how it reaches both sides.
//!
//! The API server calls the webhook over TLS and trusts exactly the CA
//! bundle in the `MutatingWebhookConfiguration`. This crate issues a CA with
//! one serving certificate, and stores both: in a directory, for local runs and tests
//! ([`directory`]), or in a cluster, where it keeps them valid without denying a pod
//! ([`rotate`]).
//!
//! # From a change to a write
//!
//! ```text
//! API server ──▶ rotate::watch     something may have changed, or the clock requires a look
//!                rotate::cluster   reads Secret and configuration;
//!                rotate::objects   what they hold
//!                rotate::observed  the same, checked: pair, bundle, owner
//!                rotate::memory    what replicas may still serve, and since when
//!                rotate::plan      these and the policy → the next step         (pure)
//!                rotate::write     the step → new content of one object         (pure)
//!                                  issue: a new CA and certificate, if it takes one
//! API server ◀── rotate::cluster   writes it, unless the object has changed since
//!                rotate::status    probes and metrics, which admin serves
//! ```
//!
//! [`pair`] and [`bundle`] are the content of the objects, validated; [`lifetime`] is the
//! lifetime of a certificate, as users write it.
//!
//! # Invariants
//!
//! * A CA's private key is never stored. It signs one certificate and is
//!   discarded; a new certificate has a new CA. So someone who steals what is stored
//!   on a disk, in a Secret or in a pod can impersonate the webhook only until that one
//!   certificate expires.
//! * Private keys are in no log, error or `Debug` output.
//! * The clock is an argument; only `main` reads it.
//! * Modules import each other in one direction: [`issue`], [`pair`] and [`bundle`] know
//!   nothing of Kubernetes, and only `main` imports [`admin`] and [`directory`]. A test
//!   follows all imports.

pub mod admin;
pub mod bundle;
pub mod directory;
pub mod issue;
pub mod lifetime;
pub mod pair;
pub mod rotate;

/// This program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
