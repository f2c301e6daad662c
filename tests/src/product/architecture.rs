//! What the product's programs are compiled for, and how those for another machine run here.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use clap::ValueEnum;

use crate::{
    failure::{Context, Failure, Outcome},
    machine::environment,
};

/// The variable that names the architecture of the programs that tests start: `arm64`.
pub const VARIABLE: &str = "ARCHITECTURE";

/// An architecture for which there are images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Architecture {
    /// `x86_64`.
    Amd64,
    /// `aarch64`.
    Arm64,
}

impl Architecture {
    /// This machine's.
    pub const HERE: Self = if cfg!(target_arch = "aarch64") { Self::Arm64 } else { Self::Amd64 };

    /// What [`VARIABLE`] names, or this machine's.
    pub fn chosen() -> Outcome<Self> {
        let Some(name) = environment::variable(VARIABLE) else { return Ok(Self::HERE) };
        Self::from_str(&name, false)
            .map_err(|_| Failure::new(format!("{VARIABLE} is {name}, expected amd64 or arm64")))
    }

    /// As images name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// As compilers and Linux name it.
    const fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// As Rust names it.
    pub fn target(self) -> String {
        format!("{}-unknown-linux-gnu", self.machine())
    }

    /// The C compiler, as Debian and Fedora name it.
    fn compiler(self) -> String {
        format!("{}-linux-gnu-gcc", self.machine())
    }

    /// Debian's packages with compiler, libraries and emulator.
    const fn packages(self) -> &'static str {
        match self {
            Self::Amd64 => "gcc-x86-64-linux-gnu libc6-dev-amd64-cross qemu-user",
            Self::Arm64 => "gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user",
        }
    }

    /// Where Debian has the libraries for programs of another architecture.
    fn root(self) -> PathBuf {
        PathBuf::from(format!("/usr/{}-linux-gnu", self.machine()))
    }

    /// The file of a shared library for it.
    pub fn library(self, name: &str) -> PathBuf {
        self.root().join("lib").join(name)
    }

    /// What runs a program of another architecture.
    fn emulator(self) -> String {
        format!("qemu-{}", self.machine())
    }

    /// The emulator's name and version, or `None` for this machine's architecture.
    pub fn emulated_by(self) -> Outcome<Option<String>> {
        if self == Self::HERE {
            return Ok(None);
        }
        let name = self.emulator();
        self.needs(&name)?;
        let what = || format!("ask {name} for its version");
        let said = Command::new(&name).arg("--version").output().context(what())?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        Ok(Some(said.split(" (").next().context(what())?.trim().replace(" version", "")))
    }

    /// Makes Cargo's command build for it.
    pub fn build_with(self, cargo: &mut Command) -> Outcome<()> {
        if self == Self::HERE {
            return Ok(());
        }
        let compiler = self.compiler();
        self.needs(&compiler)?;
        let target = self.target();
        // Rust's own part of it; without rustup, it has to be installed already.
        if environment::on_path("rustup").is_some() {
            let what = || format!("add {target} to the toolchain");
            let added = Command::new("rustup").args(["target", "add", &target]).output();
            let added = added.context(what())?;
            if !added.status.success() {
                let said = String::from_utf8_lossy(&added.stderr);
                return Err(Failure::new(said)).context(what());
            }
        }
        let name = target.replace('-', "_");
        cargo
            .arg(format!("--target={target}"))
            .env(format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()), &compiler)
            .env(format!("CC_{name}"), &compiler);
        Ok(())
    }

    /// An error that says how to install `program`, if it is not.
    fn needs(self, program: &str) -> Outcome<()> {
        if environment::on_path(program).is_some() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "programs for {} need {program}, which is not on PATH: on Debian and Ubuntu, \
             `apt-get install {}`",
            self.name(),
            self.packages(),
        )))
    }

    /// A file that runs the program here: the program itself, or a script beside it that
    /// starts the emulator, which then has the script's process id.
    pub fn runnable(self, program: &Path) -> Outcome<PathBuf> {
        if self == Self::HERE {
            return Ok(program.to_owned());
        }
        self.needs(&self.emulator())?;
        let script = program.with_extension("emulated");
        let text = format!(
            "#!/usr/bin/env bash\nexec {} -L {} {} \"$@\"\n",
            self.emulator(),
            self.root().display(),
            program.display()
        );
        let what = || format!("write {}", script.display());
        // Other tests may run it: replaced, not written over.
        let new = script.with_extension(format!("{}.new", std::process::id()));
        fs::write(&new, text).context(what())?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).context(what())?;
        fs::rename(&new, &script).context(what())?;
        Ok(script)
    }
}
