//! The tools around the webhook: `kubectl prom-remotewrite`.
//!
//! ```text
//! yaml        text of any documents, edited in place
//! workloads   the pods and pod templates in a document
//! manifests   the webhook's decision and patch without a cluster: inject, explain
//! needs       what an injected pod needs in its namespace, and whether it is there
//! validate    what a configuration says in vain
//! policy      injection without a webhook, as admission policies
//! migrate     from a sidecar written by hand to an annotation and a profile
//! status      every sidecar of a cluster at a glance, and what is wrong around them
//! check       the sidecar's own check in each sidecar of a cluster
//! ```
//!
//! Where to add what people ask for most:
//!
//! * a column of `status`: a line of the table in `status/render.rs`, a field in
//!   `status/sidecars.rs`; a kind of problem: `status/problems.rs`;
//! * a form of hand-written sidecar: where it may stand, `workloads/sites.rs`; what it
//!   may be, `workloads/hand_written.rs` and `migrate/source.rs`; what the webhook leaves
//!   alone, its `decide/neighbours.rs`;
//! * an annotation: the table of keys in `sidecar/contract/src/overrides.rs`; what it
//!   does, the webhook's `effective` and `inject`; where its value comes from,
//!   `manifests/explain/settings.rs`; for which identities it has an effect, `validate`.
//!
//! The decision, the sidecar's container and the patch are the `webhook` crate's, so that
//! there is one implementation of each. Reading, writing and network access are up to
//! `main`.
//!
//! Modules import each other in one direction, and none imports [`check`] or
//! [`migrate`]: a test follows all imports.

pub mod check;
pub mod manifests;
pub mod migrate;
pub mod needs;
pub mod policy;
pub mod status;
pub mod validate;

mod helm_path;
mod identity_webhook;
mod loopback;
mod mounts;
mod tree;
mod workloads;
mod yaml;

#[cfg(test)]
mod tests;
