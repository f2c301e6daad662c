//! The process: arguments, log, files, listeners, signals, exit status.
#![expect(clippy::disallowed_methods, reason = "main owns the environment and the clock")]

mod arguments;
mod start;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};

/// Reading a review is a thousand small allocations, which take a third less CPU this way
/// than with glibc's allocator. Without huge pages, since they would double the memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    match command {
        Command::Serve(arguments) => start::serve(arguments),
        Command::Verify(arguments) => verify::verify(&arguments),
    }
}
