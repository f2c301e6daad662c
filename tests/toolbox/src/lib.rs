//! Real tools: found where they are installed, else built.
//!
//! In this order: the variable that everyone knows, `PATH`, a build of the pinned Go
//! module in `tests/tools/NAME` into a per-user cache. `go.sum` holds a hash of
//! everything that is compiled, so nothing is taken on trust.
//!
//! This crate has no dependencies: it compiles in seconds, so that Go can build
//! Prometheus while everything else compiles (`src/bin/start.rs`).

mod build;
pub mod environment;
pub mod failure;
mod recipes;
#[cfg(test)]
mod tests;
pub mod warden;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

pub use build::{Progress, cache_folder, overwrite, say};
pub use recipes::{
    ADDONS, CERT_MANAGER, COLLECTOR, CONTAINERD, HELM, ISTIO, KIND, KUBE_ROUTER, KUBECTL,
    KUBERNETES, KUBERNETES_1_29, KUBERNETES_1_32, KUBERNETES_1_34, KUBERNETES_1_36, LOCAL_PATH,
    MESH, NODE, PROMETHEUS, PROMETHEUS_2_42, PROMETHEUS_2_53, PROMETHEUS_3_5, PROMTOOL, Recipe,
    TELEGRAF, Tool, VMAGENT, Variable,
};

use crate::{
    environment::Lookup,
    failure::{Context, Failure, Outcome},
};

/// Finds a tool of a recipe, or builds all of the recipe's tools.
///
/// It may take minutes the first time, which it reports on standard error. It blocks: it
/// is called before anything else runs.
pub fn find(recipe: &Recipe, name: &str) -> Outcome<PathBuf> {
    find_showing(recipe, name, &overwrite)
}

/// The same with another way to show how far a build is.
pub fn find_showing(recipe: &Recipe, name: &str, progress: Progress<'_>) -> Outcome<PathBuf> {
    find_with(recipe, name, &environment::variable, progress)
}

/// The folder with the recipe's tools as they are pinned, whatever is installed.
///
/// For what goes into an image, where versions must fit each other. Blocks, as
/// [`find`] does.
pub fn built(recipe: &Recipe) -> Outcome<PathBuf> {
    build::cached(recipe, &environment::variable, &overwrite)
}

/// The folder with the pinned Go modules, in the checkout that this was compiled in.
fn modules() -> PathBuf {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    checkout.map(|tests| tests.join("tools")).unwrap_or_default()
}

fn find_with(
    recipe: &Recipe,
    name: &str,
    lookup: Lookup<'_>,
    progress: Progress<'_>,
) -> Outcome<PathBuf> {
    let tool = recipe.tools.iter().find(|tool| tool.name == name);
    let tool = tool.context(format!("find {name} among the tools of {}", recipe.folder))?;
    if let Some(file) = named(tool, lookup) {
        if !reports(tool, &file, tool.accepted) {
            return Err(Failure::new(format!(
                "{} names {}, which is not {}",
                tool.variable.name(),
                file.display(),
                tool.accepted
            )));
        }
        return Ok(file);
    }
    if let Some(file) =
        environment::on_path_of(name, lookup).filter(|file| reports(tool, file, tool.version_line))
    {
        return Ok(file);
    }
    Ok(build::cached(recipe, lookup, progress)?.join(name))
}

/// What the tool's variable names.
fn named(tool: &Tool, lookup: Lookup<'_>) -> Option<PathBuf> {
    let value = PathBuf::from(lookup(tool.variable.name())?);
    match tool.variable {
        Variable::File(_) => Some(value),
        Variable::Folder(_) => Some(value.join(tool.name)).filter(|file| file.exists()),
    }
}

/// Whether its version, as it reports it, has `version_line` in it.
fn reports(tool: &Tool, file: &PathBuf, version_line: &str) -> bool {
    let Ok(said) = Command::new(file).args(tool.asked).output() else { return false };
    let text = [said.stdout, said.stderr].concat();
    String::from_utf8_lossy(&text).contains(version_line)
}
