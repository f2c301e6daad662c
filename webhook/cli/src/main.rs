//! The process: arguments, files, standard streams, the cluster, exit status.

mod arguments;
mod commands;
mod examples;

use std::{
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Parser as _;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    match command {
        Command::Inject(arguments) => commands::inject(&arguments),
        Command::Explain(arguments) => commands::explain(&arguments),
        Command::Migrate(arguments) => commands::migrate(&arguments),
        Command::Validate(arguments) => commands::validate(&arguments),
        Command::Status(arguments) => commands::status(&arguments, now()),
        Command::Check(arguments) => commands::check(&arguments),
        Command::Policy(arguments) => commands::policy(&arguments),
        Command::Schema => commands::schema(),
    }
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "only main reads the clock")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
