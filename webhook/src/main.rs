//! The process: arguments, log, files, listeners, signals, exit status.
#![expect(clippy::disallowed_methods, reason = "main owns the environment and the clock")]

mod arguments;
mod run;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    match command {
        Command::Serve(arguments) => run::serve(arguments),
        Command::Verify(arguments) => verify::verify(&arguments),
    }
}
