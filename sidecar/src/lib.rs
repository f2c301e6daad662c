//! x
mod http1;
mod proxy;
mod trust;
mod upstream;
