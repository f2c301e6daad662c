//! What happens, and how long it took, for a person who waits.

use std::{
    io::{Write, stderr},
    time::Instant,
};

use crate::failure::Outcome;

/// Prints on standard error what is done.
#[derive(Debug)]
pub struct Steps {
    start: Instant,
}

impl Default for Steps {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Steps {
    /// Does one thing, and prints it.
    pub fn step<T>(&self, what: &str, act: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        self.note(&format!("{what} ..."));
        let start = Instant::now();
        let outcome = act()?;
        self.note(&format!("{what}: {:.1} s", start.elapsed().as_secs_f64()));
        Ok(outcome)
    }

    /// Prints something.
    pub fn note(&self, what: &str) {
        let _ = writeln!(stderr(), "[{:>4} s] {what}", self.start.elapsed().as_secs());
    }
}
