//! x

mod http1;
pub mod identity;
mod proxy;
mod trust;
mod upstream;
