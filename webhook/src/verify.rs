//! `verify`, which `helm test` runs. It succeeds once every replica admits a pod of
//! every profile of the release, and API servers do, too.
//!
//! Both are needed: a pod that API servers admit proves the whole path, but reaches only
//! one replica; so each replica is sent the same reviews, over TLS as API servers trust
//! it. The configuration reaches replicas about a minute after an upgrade, so everything
//! is retried until it succeeds or the time is over; except if API servers would never
//! ask about these pods.

mod api_server;
mod http;
mod pods;
mod replicas;
mod reviews;
mod selection;
mod trust;

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use webhook::{config::Config, serve::reload::content_hash};

use crate::arguments::Verify;
use api_server::Server;
use replicas::Expected;
use trust::Trust;

/// Between two rounds. Each is a few small requests.
const PAUSE: Duration = Duration::from_secs(2);

/// Asks until everything holds, for at most the time that was given.
pub(crate) fn verify(arguments: &Verify) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report(&format!("could not start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(until_it_holds(arguments))
}

async fn until_it_holds(arguments: &Verify) -> ExitCode {
    let start = Instant::now();
    let mut last = Vec::new();
    loop {
        let problems = match check(arguments).await {
            Ok(found) => {
                let written = writeln!(io::stdout(), "{}", found.join("\n"));
                return if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            }
            Err(Failed::Now(problems)) => problems,
            Err(Failed::Always(problems)) => {
                report(&problems.join("\n"));
                return ExitCode::FAILURE;
            }
        };
        // Each new state is written once.
        if problems != last {
            for problem in &problems {
                report(&format!("not yet: {problem}"));
            }
            last = problems;
        }
        if start.elapsed() + PAUSE > arguments.timeout {
            report(&format!("gave up after {} s", arguments.timeout.as_secs()));
            return ExitCode::FAILURE;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A closed standard error is no one's concern.
fn report(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// What failed, one sentence each.
enum Failed {
    /// A later attempt may succeed.
    Now(Vec<String>),
    /// No attempt succeeds before someone changes the values.
    Always(Vec<String>),
}

impl From<String> for Failed {
    fn from(problem: String) -> Self {
        Self::Now(vec![problem])
    }
}

/// The checks that succeeded, or all that failed.
async fn check(arguments: &Verify) -> Result<Vec<String>, Failed> {
    let (hash, config) = configuration(&arguments.config)?;
    if let Some(expected) = &arguments.config_sha256
        && *expected != hash
    {
        return Err(Failed::from(format!(
            "{} is not the release's configuration (sha256 {hash}, expected {expected}): was the ConfigMap changed by hand?",
            arguments.config.display()
        )));
    }
    let server = Server::of(arguments)?;
    let cases = pods::cases(arguments, &config);
    let webhook = api_server::webhook(&server, &arguments.configuration).await?;
    let excluded = api_server::exclusions(&server, &arguments.namespace, &webhook, &cases).await?;
    if !excluded.is_empty() {
        return Err(Failed::Always(excluded));
    }
    let trust = Trust::of(&webhook).map_err(|problem| {
        format!("MutatingWebhookConfiguration {}: {problem}", arguments.configuration)
    })?;
    let expected = Expected { hash: &hash, trust: &trust, cases: &cases };
    let (replicas, pods) = tokio::join!(
        replicas::check(arguments, &expected),
        api_server::check(&server, arguments, &cases)
    );
    match (replicas, pods) {
        (Ok(replicas), Ok(pods)) => Ok([replicas, pods].concat()),
        (replicas, pods) => {
            let problems = [replicas.err().unwrap_or_default(), pods.err().unwrap_or_default()];
            Err(Failed::Now(problems.concat()))
        }
    }
}

fn configuration(file: &Path) -> Result<(String, Config), String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("read {}: {error}", file.display()))?;
    let config = Config::parse(&text)
        .map_err(|errors| format!("{}: {}", file.display(), contract::report(&errors)))?;
    Ok((content_hash(&text), config))
}
