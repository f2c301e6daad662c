//! The product's programs: built once in a run, started as processes, and asked as API
//! servers and Prometheus ask them.

pub mod admission;
pub mod architecture;
pub mod binaries;
pub mod sidecar;
pub mod webhook;
