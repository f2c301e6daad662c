//! What is taken from the surroundings.

use std::{
    env,
    path::{Path, PathBuf},
};

/// An environment variable that is set and not empty.
#[expect(clippy::disallowed_methods, reason = "a harness lives at the edge, and looks around here")]
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Every variable, for a program that is to find what this one would.
pub fn variables() -> impl Iterator<Item = (String, String)> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// How a variable is looked up; tests pass another than [`variable`].
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A program on the search path.
pub fn on_path(program: &str) -> Option<PathBuf> {
    on_path_of(program, &variable)
}

/// A program on the search path that `lookup` knows.
pub fn on_path_of(program: &str, lookup: Lookup<'_>) -> Option<PathBuf> {
    let path = lookup("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
