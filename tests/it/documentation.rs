//! The content of the READMEs is correct: links lead somewhere, commands and their flags
//! exist, YAML is what it is meant for, and names are those of the programs.
//!
//! What cannot be run here is listed with the reason (`commands.rs`).

mod commands;
mod configuration;
mod examples;
mod help;
mod links;
mod markdown;
mod names;
mod quotes;
mod versions;
mod workflows;

use std::{
    fs,
    path::{Path, PathBuf},
};

use tests::machine::environment;
use tokio::sync::Mutex;

use markdown::Page;

/// Held by anyone who rewrites a page: several tests have a part in one.
pub(crate) static WRITING: Mutex<()> = Mutex::const_new(());

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    environment::crate_folder().join("..").canonicalize().unwrap()
}

/// Every page of the repository, in the order of their paths.
pub(crate) fn pages() -> Vec<Page> {
    let mut files = Vec::new();
    collect(&root(), &mut files);
    files.sort();
    assert!(files.len() > 7, "{files:?}");
    files.iter().map(|file| Page::read(&root(), file)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["target", ".git", "corpus", "artifacts"].contains(&name.as_str()) {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
}
