//! The commands that read files and write text.

mod migration;

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
    process::ExitCode,
};

use cli::{
    manifests::{
        self, ManifestError,
        explain::{self, Explanation},
    },
    needs::lookup,
};
use contract::{Mistake, names::EXIT_CONFIGURATION};
use webhook::config::{self, ConfigFile};

use crate::arguments::{Explain, Manifests, Validate};

pub(crate) use migration::migrate;

/// Why a command ended without its result.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    /// A file is missing or unreadable, or standard output has gone.
    #[error("{0}: {1}")]
    File(String, io::Error),
    /// The configuration cannot be used.
    #[error("{file}: {}", contract::report(.mistakes))]
    Config { file: String, mistakes: Vec<Mistake> },
    /// The manifests cannot be used.
    #[error("{file}: {source}")]
    Manifests { file: String, source: ManifestError },
    /// There is no kubeconfig that can be used, or nobody answers there.
    #[error("ask the cluster: {error}{}{}", cause(.error), advice(.error))]
    Cluster { error: kube::Error },
}

impl CommandError {
    fn code(&self) -> ExitCode {
        match self {
            Self::Config { .. } => ExitCode::from(EXIT_CONFIGURATION),
            Self::File(..) | Self::Manifests { .. } | Self::Cluster { .. } => ExitCode::FAILURE,
        }
    }
}

/// Writes the manifests with sidecars, or nothing at all.
pub(crate) fn inject(arguments: &Manifests) -> ExitCode {
    finish(read(arguments).and_then(|(config, text)| {
        let injected = manifests::inject(&config, &text)
            .map_err(|source| CommandError::Manifests { file: name(&arguments.filename), source })?;
        for outcome in &injected.outcomes {
            say(outcome);
        }
        if injected.has_denials() {
            return Ok(ExitCode::FAILURE);
        }
        write(&injected.text)?;
        Ok(ExitCode::SUCCESS)
    }))
}

/// Writes what would become of each pod, and why.
pub(crate) fn explain(arguments: &Explain) -> ExitCode {
    let files = &arguments.manifests;
    finish(read(files).and_then(|(config, text)| {
        let mut explained = explain::explain(&config, &text)
            .map_err(|source| CommandError::Manifests { file: name(&files.filename), source })?;
        if arguments.cluster {
            ask_cluster(&mut explained, arguments.namespace.as_deref())?;
        }
        let texts: Vec<String> = explained.iter().map(ToString::to_string).collect();
        write(&texts.join("\n"))?;
        if texts.is_empty() {
            say(&"no pod and no pod template found: of a chart, give what helm template prints");
        }
        let bad = texts.is_empty() || explained.iter().any(Explanation::is_bad);
        Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }))
}

/// Fills in what the cluster of the kubeconfig has.
fn ask_cluster(explained: &mut [Explanation], namespace: Option<&str>) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::File("the cluster".to_owned(), error))?;
    // kube takes the process' provider; there is one TLS stack here.
    let _first = rustls::crypto::aws_lc_rs::default_provider().install_default();
    runtime.block_on(async {
        let client = kube::Client::try_default().await.map_err(no_cluster)?;
        client.apiserver_version().await.map_err(no_cluster)?;
        for one in explained {
            let usual = namespace.unwrap_or_else(|| client.default_namespace());
            let namespace = one.namespace.as_deref().unwrap_or(usual);
            one.findings = lookup::look(&client, namespace, &one.needs).await;
        }
        Ok(())
    })
}

fn no_cluster(error: kube::Error) -> CommandError {
    CommandError::Cluster { error }
}

/// What to do where there is no kubeconfig.
const fn advice(error: &kube::Error) -> &'static str {
    match error {
        kube::Error::InferConfig(_) => "; set KUBECONFIG to the kubeconfig of a cluster",
        _ => "",
    }
}

/// The innermost reason, where there is one besides the error's own text.
fn cause(error: &kube::Error) -> String {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source.and_then(std::error::Error::source) {
        source = Some(inner);
    }
    source.map(|inner| format!(": {inner}")).unwrap_or_default()
}

/// The chart's schema is stricter than what reads the configuration: it knows
/// one spelling of each word, and no texts for numbers.
const HELM_CHECKS: &str = "note: what these values mean was checked, of the part config; Helm also checks how they are written (userAssigned, not USERASSIGNED; 8081, not '8081') and all other parts: run helm template";

/// Says whether the configuration can be used.
pub(crate) fn validate(arguments: &Validate) -> ExitCode {
    finish(text(&arguments.config).and_then(|text| {
        let file = ConfigFile::parse(&text)
            .map_err(|mistakes| CommandError::Config { file: name(&arguments.config), mistakes })?;
        let profiles: Vec<&str> = file.config.profiles.keys().map(String::as_str).collect();
        let profiles = if profiles.is_empty() { "none".to_owned() } else { profiles.join(", ") };
        write(&format!("{}: ok; profiles: {profiles}\n", name(&arguments.config)))?;
        if file.is_values {
            say(&HELM_CHECKS);
        }
        Ok(ExitCode::SUCCESS)
    }))
}

/// Writes the schema, as it is shipped.
pub(crate) fn schema() -> ExitCode {
    finish(write(&format!("{:#}\n", config::schema())).map(|()| ExitCode::SUCCESS))
}

fn finish(result: Result<ExitCode, CommandError>) -> ExitCode {
    result.unwrap_or_else(|error| {
        match &error {
            CommandError::Config { file, mistakes } => {
                for mistake in mistakes {
                    say(&format!("{file}: {mistake}"));
                }
            }
            other => say(other),
        }
        error.code()
    })
}

fn read(arguments: &Manifests) -> Result<(ConfigFile, String), CommandError> {
    Ok((read_config(&arguments.config)?, text(&arguments.filename)?))
}

/// The file itself, or values that the chart makes it of.
fn read_config(path: &Path) -> Result<ConfigFile, CommandError> {
    let text = text(path)?;
    ConfigFile::parse(&text).map_err(|mistakes| CommandError::Config { file: name(path), mistakes })
}

fn text(path: &Path) -> Result<String, CommandError> {
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
    String::from_utf8(bytes)
        .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn name(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { path.display().to_string() }
}

fn write(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| CommandError::File("standard output".to_owned(), error))
}

/// Nobody can be told that standard error has gone.
fn say(line: &impl std::fmt::Display) {
    let line = line.to_string();
    let _ = writeln!(io::stderr(), "{}", line.trim_end());
}
