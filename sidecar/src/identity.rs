//! Who the sidecar is: tokens for a managed identity, an application with a
//! certificate, or a workload identity.
//!
//! [`Issuer`] is the door: one [`Issuer::fetch`] is one attempt, by one of
//! `azure_identity`'s credentials over a transport of our own. Each attempt
//! makes a new credential: an older one would answer from its cache, and would
//! not see that a certificate or a token file has changed. When to fetch, how
//! long to wait after an error and which token to serve meanwhile is for the
//! caller to decide.
//!
//! In reading order:
//!
//! * `issuer`: which kind of identity shows what;
//! * `application`: the one that signs; `certificate` reads a file whatever its
//!   form, `certificate_file` notices a new one, `certificates` says which is in
//!   use, `assertion` is what is signed;
//! * `exchange`: what is shown, for a token; `service` is who is asked, `transport`
//!   carries it, and `granted` completes what a service answers; `token_proxy` is asked
//!   in Entra's place;
//! * `failure`, `refusal`, [`FetchError`]: what went wrong, what that means,
//!   and what to do about it.
//!
//! # Invariants
//!
//! * A missing or bad file is an error of the attempt, never of the start.
//! * No token, assertion, key or password is in an error, a log or `Debug`.
//! * Claims of a token are read for explanations only.

mod application;
mod assertion;
mod certificate;
mod certificate_file;
mod certificates;
mod exchange;
mod failure;
mod fetch_error;
mod granted;
mod issuer;
mod refusal;
mod service;
mod token;
mod token_proxy;
mod transport;

pub use application::Reload;
pub use certificate::{Certificate, CertificateError, Summary};
pub(crate) use certificate::{RENEWAL_ADVICE, WARN_BEFORE_EXPIRY};
pub use fetch_error::{FetchError, FetchErrorKind};
pub use issuer::Issuer;
pub(crate) use issuer::read_token;
pub(crate) use token::unverified_claims;
pub use token::{Claims, Token};
