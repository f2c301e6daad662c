//! Real tools: found where they are installed, else built.
//!
//! In this order: the variable that everyone knows, `PATH`, a build of the pinned Go
//! module in `tests/tools/NAME` into a per-user cache. `go.sum` holds a hash of
//! everything that is compiled, so nothing is taken on trust.

mod build;
mod module;
mod recipes;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, process::Command};

pub use build::cache_folder;
pub use module::source;
pub use recipes::{
    ADDONS, COLLECTOR, CONTAINERD, HELM, KIND, KUBECTL, KUBERNETES, KUBERNETES_1_29,
    KUBERNETES_1_32, KUBERNETES_1_34, KUBERNETES_1_36, LOCAL_PATH, NODE, PROMETHEUS,
    PROMETHEUS_2_42, PROMETHEUS_2_53, PROMETHEUS_3_5, Recipe, Tool, VMAGENT, Variable,
};

use crate::{
    environment::{self, Lookup},
    failure::{Context, Failure, Outcome},
};

/// Finds a tool of a recipe, or builds all of the recipe's tools.
///
/// It may take minutes the first time, which it reports on standard error. It blocks: it
/// is called before anything else runs.
pub fn find(recipe: &Recipe, name: &str) -> Outcome<PathBuf> {
    find_with(recipe, name, &environment::variable)
}

/// The folder with the recipe's tools as they are pinned, whatever is installed.
///
/// For what goes into an image, where versions must fit each other. Blocks, as
/// [`find`] does.
pub fn built(recipe: &Recipe) -> Outcome<PathBuf> {
    build::cached(recipe, &environment::variable)
}

fn find_with(recipe: &Recipe, name: &str, lookup: Lookup<'_>) -> Outcome<PathBuf> {
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
        environment::on_path_of(name, lookup).filter(|file| reports(tool, file, tool.wanted))
    {
        return Ok(file);
    }
    Ok(build::cached(recipe, lookup)?.join(name))
}

/// What the tool's variable names.
fn named(tool: &Tool, lookup: Lookup<'_>) -> Option<PathBuf> {
    let value = PathBuf::from(lookup(tool.variable.name())?);
    match tool.variable {
        Variable::File(_) => Some(value),
        Variable::Folder(_) => Some(value.join(tool.name)).filter(|file| file.exists()),
    }
}

/// Whether its version, as it reports it, is `wanted`.
fn reports(tool: &Tool, file: &PathBuf, wanted: &str) -> bool {
    let Ok(said) = Command::new(file).args(tool.asked).output() else { return false };
    let text = [said.stdout, said.stderr].concat();
    String::from_utf8_lossy(&text).contains(wanted)
}
