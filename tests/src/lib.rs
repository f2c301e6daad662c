//! The harness that the demo, the end-to-end tests and the benches share.
//!
//! Everything outside the product that a run needs lives here: a stand-in for Azure
//! ([`azure`]), real Prometheus ([`prometheus`]), and real Kubernetes, from a control plane
//! without nodes to a cluster of kind ([`kubernetes`]). The programs under test are
//! processes ([`product`]); [`scene`] puts all of it together for one run. What is not
//! installed is built ([`tools`]).
//!
//! # Invariants
//!
//! * Only loopback is talked to, on ports that the system chooses.
//! * Nothing that was started outlives the run, however it ends.
//! * Nothing sleeps for a guessed time: waiting is asking, within a bound.

pub mod azure;
pub mod client;
pub mod keys;
pub mod kubernetes;
pub mod machine;
pub mod product;
pub mod prometheus;
pub mod scene;
pub mod svg;
pub mod tools;

pub(crate) use toolbox::warden;
pub use toolbox::{failure, say};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The guarded value. A test that panicked while it held the lock has failed
/// already; what it left is still worth showing.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
