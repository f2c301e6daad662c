//! What went wrong while the harness worked.
//!
//! A harness has one audience, the person who reads a failed run, and no one branches on
//! its errors: so there is one type, a sentence with its cause.

use std::{error::Error, fmt};

/// What the harness could not do, and why.
pub struct Failure {
    what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The result of the harness' work.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A failure that is its own cause.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        let mut source = self.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            // One of ours contains all of its causes.
            source = if cause.is::<Self>() { None } else { cause.source() };
        }
        Ok(())
    }
}

/// The same text: a test that returns a failure shows it by `Debug`.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

/// Names what was tried, where a result or an option has nothing to say.
pub trait Context<T> {
    /// Adds what could not be done: `"start Prometheus"`.
    fn context(self, what: impl fmt::Display) -> Outcome<T>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> Context<T> for Result<T, E> {
    fn context(self, what: impl fmt::Display) -> Outcome<T> {
        self.map_err(|source| Failure {
            what: format!("cannot {what}"),
            source: Some(source.into()),
        })
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, what: impl fmt::Display) -> Outcome<T> {
        self.ok_or_else(|| Failure::new(format!("cannot {what}")))
    }
}
