//! What the harness takes from the machine: variables, folders, ports, the clock, and
//! processes, which never outlive a run.

pub mod clock;
pub mod environment;
pub mod folder;
pub mod hardware;
pub mod ports;
pub mod process;
