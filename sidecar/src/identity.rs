//! Who the sidecar is: tokens for a managed identity, an application with a
//! certificate, or a workload identity.
//!
//! [`Issuer`] is the door: one [`Issuer::fetch`] is one attempt, by one of
//! `azure_identity`'s credentials over our own [`transport`]. Each attempt
//! makes a new credential: an older one would answer from its cache, and would
//! not see that a certificate or a token file has changed. When to fetch, how
//! long to wait after an error and which token to serve meanwhile is for the
//! caller to decide.
//!
//! * [`certificate`]: an application's certificate, from whatever file;
//!   [`application`] follows the file through its renewals;
//! * [`assertion`]: the statement that it signs;
//! * [`failure`] → [`FetchError`]: what went wrong, and what to do about it.
//!
//! # Invariants
//!
//! * A missing or bad file is an error of the attempt, never of the start.
//! * No token, assertion, key or password is in an error, a log or `Debug`.
//! * Claims of a token are read for explanations only.

mod application;
mod assertion;
mod certificate;
mod failure;
mod fetch_error;
mod issuer;
mod refusal;
mod token;
mod transport;

pub use application::Reload;
pub use certificate::{Certificate, CertificateError, Summary};
pub use fetch_error::{FetchError, FetchErrorKind};
pub use issuer::{Issuer, SetupError};
pub use token::{Claims, Token};
