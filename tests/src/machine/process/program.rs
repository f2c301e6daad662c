//! A program before it runs.

use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use super::{Process, output::Output};
use crate::{
    failure::{Context, Outcome},
    warden,
};

/// A program and what it is given.
#[derive(Clone, Debug)]
pub struct Program {
    name: String,
    file: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    folder: Option<PathBuf>,
    stderr: Option<Arc<OwnedFd>>,
}

impl Program {
    /// A program without arguments and with an empty environment.
    pub fn new(name: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            file: file.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: None,
            stderr: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Adds variables.
    #[must_use]
    pub fn envs<N: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables = variables.into_iter();
        self.environment.extend(variables.map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Runs in `folder`.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Writes its standard error there, where this harness does not read it.
    #[must_use]
    pub fn stderr(mut self, to: impl Into<OwnedFd>) -> Self {
        self.stderr = Some(Arc::new(to.into()));
        self
    }

    /// Starts it.
    pub fn start(&self) -> Outcome<Process> {
        let mut command = std::process::Command::new(&self.file);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        if let Some(stderr) = &self.stderr {
            command.stderr(stderr.try_clone().context("hand a pipe on")?);
        }
        // In its own group: Ctrl-C on a terminal is for the harness, which stops the
        // rest.
        let mut child = warden::spawn(&mut command).context(format!(
            "start {} ({})",
            self.name,
            self.file.display()
        ))?;
        let output = Output::of(&mut child);
        Ok(Process { name: self.name.clone(), child, output, ended: None })
    }

    /// Runs it to its end, which must come within `patience`, and be good.
    pub async fn run(&self, patience: Duration) -> Outcome<String> {
        let mut process = self.start()?;
        let status = process.wait(patience).await?;
        if status.success() {
            return Ok(process.stdout());
        }
        Err(process.failure(&format!("{} ended with {status}", self.name)))
    }
}
