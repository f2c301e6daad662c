//! The process: arguments, files, standard streams, the cluster, exit status.

mod arguments;
mod commands;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    match command {
        Command::Inject(arguments) => commands::inject(&arguments),
        Command::Explain(arguments) => commands::explain(&arguments),
        Command::Migrate(arguments) => commands::migrate(&arguments),
        Command::Validate(arguments) => commands::validate(&arguments),
        Command::Schema => commands::schema(),
    }
}
