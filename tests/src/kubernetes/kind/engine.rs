//! The Docker engine that the cluster's nodes are containers of:
//! `manifests/kind/engine` finds or starts it.

use std::process::Command;

use super::{command, manifests};
use crate::failure::Outcome;

/// An engine that answers.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    host: Option<String>,
}

impl Engine {
    /// The one that is there.
    pub(super) fn find() -> Option<Self> {
        command::ask(script().arg("find")).ok().map(|said| Self::at(&said))
    }

    /// The one that is there, or a new one.
    pub(super) fn start() -> Outcome<Self> {
        Ok(Self::at(&command::ask(script().arg("start"))?))
    }

    /// The value of `DOCKER_HOST`, unless it is the default.
    pub(super) fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The engine's command line.
    pub(super) fn docker(&self) -> Command {
        let mut docker = Command::new("docker");
        self.apply(&mut docker);
        docker
    }

    /// Makes a program talk to this engine.
    pub(super) fn apply(&self, command: &mut Command) {
        if let Some(host) = &self.host {
            command.env("DOCKER_HOST", host);
        }
    }

    fn at(said: &str) -> Self {
        Self { host: Some(said.trim().to_owned()).filter(|host| !host.is_empty()) }
    }
}

/// Starts the engine that [`Engine::start`] started again, if it died: only then
/// its containers can be removed.
pub(super) fn revive() -> Outcome<()> {
    command::show(script().arg("revive"))
}

/// Ends the engine that [`Engine::start`] started, once it runs nothing.
pub(super) fn stop() -> Outcome<()> {
    command::show(script().arg("stop"))
}

fn script() -> Command {
    Command::new(manifests().join("engine"))
}
