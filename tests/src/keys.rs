//! Certificates, keys and what is signed with them.

pub mod authority;
pub mod jwt;
pub(crate) mod pfx;
pub mod secret;
