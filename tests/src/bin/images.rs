//! Writes the product's three images into a folder, for `docker load`, made of
//! programs of the profile that this one was built in.

use std::{
    fs,
    io::{Write, stderr, stdout},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use tests::{
    failure::{Context, Outcome},
    kubernetes::images,
    product::{
        architecture::Architecture,
        binaries::{self, CERTS, SIDECAR, WEBHOOK},
    },
};

/// Writes prom-remotewrite's images as archives for `docker load`.
#[derive(Debug, Parser)]
#[command(name = "images")]
struct Arguments {
    /// Folder for the archives; created if it does not exist.
    folder: PathBuf,
    /// The images' tag.
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    tag: String,
    /// The architecture; another one than this machine's needs a cross compiler.
    #[arg(long, default_value = Architecture::HERE.name())]
    architecture: Architecture,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match write(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _closed = writeln!(stderr(), "{failure}");
            ExitCode::FAILURE
        }
    }
}

fn write(arguments: &Arguments) -> Outcome<()> {
    let Arguments { folder, tag, architecture } = arguments;
    fs::create_dir_all(folder).context(format!("make {}", folder.display()))?;
    for program in [SIDECAR, WEBHOOK, CERTS] {
        let file = binaries::find_auditable(program, *architecture)?;
        let image = images::product(program, tag, &file, *architecture)?;
        let file = image.save_in(folder)?;
        let _closed = writeln!(stdout(), "{}: {}", image.name(), file.display());
    }
    Ok(())
}
