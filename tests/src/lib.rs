//! The harness that the demo, the end-to-end tests and the benches share.
//!
//! Everything outside the product that a run needs lives here: a stand-in for
//! Azure ([`azure`]), real Prometheus ([`prometheus`]) from tools that are
//! built where they are not installed ([`tools`]), the workspace's own
//! programs ([`binaries`]) as processes ([`process`]), the part of the kubelet
//! that turns a pod's container into one ([`kubelet`]), and a real Kubernetes
//! control plane without nodes ([`control_plane`]).
//!
//! # Invariants
//!
//! * Only loopback is talked to, on ports that the system chooses.
//! * Nothing that was started outlives the run, however it ends.
//! * Nothing sleeps for a guessed time: waiting is asking, within a bound.

pub mod account;
pub mod admission;
pub mod architecture;
pub mod authority;
pub mod azure;
pub mod binaries;
pub mod client;
pub mod clock;
pub mod control_plane;
pub mod deployment;
pub mod environment;
pub mod folder;
pub mod images;
pub mod jwt;
pub mod kind;
pub mod kubelet;
mod pfx;
pub mod ports;
pub mod process;
pub mod prometheus;
pub mod scene;
pub mod secret;
pub mod sidecar;
pub mod svg;
pub mod token_proxy;
pub mod tools;
pub mod webhook;

pub(crate) use toolbox::warden;
pub use toolbox::{failure, say};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The guarded value. A test that panicked while it held the lock has failed
/// already; what it left is still worth showing.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
