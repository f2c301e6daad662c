//! What the harness takes from its surroundings.

use std::path::Path;

pub use toolbox::environment::{Lookup, on_path, variable, variables};

/// This crate's folder in the checkout that the harness was compiled in.
pub fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
