//! Files and standard streams, and why a command failed without its result.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
    process::ExitCode,
};

use cli::manifests::ManifestError;
use contract::{SettingError, names::EXIT_CONFIGURATION};
use webhook::config::ConfigFile;

use crate::arguments::Manifests;

/// Why a command failed without its result.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    /// A file is missing or unreadable, or standard output has gone.
    #[error("{0}: {1}")]
    File(String, io::Error),
    /// The configuration cannot be used.
    #[error("{file}: {}", contract::report(.errors))]
    Config { file: String, errors: Vec<SettingError> },
    /// Two files would be the one stream.
    #[error(
        "--config and --filename are both -, and standard input can be read once: name a file for one of them"
    )]
    Twice,
    /// The manifests cannot be used.
    #[error("{file}: {source}")]
    Manifests { file: String, source: ManifestError },
    /// There is no kubeconfig that can be used, no one answers there, or the cluster does not
    /// return what is needed.
    #[error("ask the cluster: {0}")]
    Refused(String),
}

/// That of arguments which clap refuses.
const EXIT_USAGE: u8 = 2;

impl CommandError {
    fn code(&self) -> ExitCode {
        match self {
            Self::Config { .. } => ExitCode::from(EXIT_CONFIGURATION),
            Self::Twice => ExitCode::from(EXIT_USAGE),
            Self::File(..) | Self::Manifests { .. } | Self::Refused(_) => ExitCode::FAILURE,
        }
    }
}

pub(super) fn exit_code(result: Result<ExitCode, CommandError>) -> ExitCode {
    result.unwrap_or_else(|error| {
        match &error {
            CommandError::Config { file, errors } => {
                for error in errors {
                    say(&format!("{file}: {error}"));
                }
            }
            other => say(other),
        }
        error.code()
    })
}

pub(super) fn read(arguments: &Manifests) -> Result<(ConfigFile, String), CommandError> {
    if is_stdin(&arguments.config) && is_stdin(&arguments.filename) {
        return Err(CommandError::Twice);
    }
    Ok((read_config(&arguments.config)?, text(&arguments.filename)?))
}

/// The file itself, or values that the chart makes it of.
fn read_config(path: &Path) -> Result<ConfigFile, CommandError> {
    let text = text(path)?;
    ConfigFile::parse(&text).map_err(|errors| CommandError::Config { file: name(path), errors })
}

pub(super) fn text(path: &Path) -> Result<String, CommandError> {
    let read = if is_stdin(path) {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    };
    let failed = |error| CommandError::File(name(path), error);
    let bytes = read.map_err(failed)?;
    // Windows PowerShell writes what a program prints in this form.
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let text = "it is UTF-16: save it as UTF-8, in PowerShell with `| Out-File -Encoding utf8`";
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, text)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = valid.split(|byte| *byte == b'\n').count();
        let text = format!("line {line} is not UTF-8: save the file as UTF-8");
        failed(io::Error::new(io::ErrorKind::InvalidData, text))
    })
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

pub(super) fn name(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() }
}

pub(super) fn write(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| CommandError::File("standard output".to_owned(), error))
}

/// Nothing can be reported once standard error is closed.
pub(super) fn say(line: &impl std::fmt::Display) {
    let line = line.to_string();
    let _ = writeln!(io::stderr(), "{}", line.trim_end());
}
