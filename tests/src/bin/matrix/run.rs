//! Runs the suite on one cell.

use std::{
    path::Path,
    process::Command,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use ::tests::{
    failure::{Context, Failure, Outcome},
    machine::{
        clock::Clock,
        environment,
        hardware::Hardware,
        process::{Process, Program},
    },
    product::{
        architecture::{self, Architecture},
        binaries::{self, CERTS, CLI, SIDECAR, WEBHOOK},
    },
    say,
    tools::{self, Tool, Variable},
};
use time::OffsetDateTime;
use tokio::time::sleep;

use crate::{
    cells::{Cell, Part},
    reports::Report,
};

/// For tools and programs: half an hour on two idle cores, and more where others work on
/// them.
const BUILT_WITHIN: Duration = Duration::from_mins(60);
/// For the tests, which are compiled in a few minutes.
const COMPILED_WITHIN: Duration = Duration::from_mins(30);
/// For the tests, once all that they start is built: six minutes on two idle cores.
const TESTED_WITHIN: Duration = Duration::from_mins(40);
/// How often someone who waits hears of it.
const NEWS_EVERY: Duration = Duration::from_secs(60);

/// What came of the cell, or why nothing did.
pub(crate) async fn run(cell: Cell) -> Report {
    let mut report = Report {
        date: OffsetDateTime::from(Clock::default().now()).date().to_string(),
        commit: commit().unwrap_or_default(),
        machine: Hardware::here().to_string(),
        ..Report::default()
    };
    if let Err(failure) = test(cell, &mut report).await {
        report.error = Some(failure.to_string());
    }
    report
}

/// Builds what the cell needs, runs the tests with it and reports what they said.
async fn test(cell: Cell, report: &mut Report) -> Outcome<()> {
    let Obtained { version, name, value } = obtained(cell)?;
    report.version = version;
    say("compiling the tests");
    cargo_test()?.arg("--no-run").run(COMPILED_WITHIN).await?;
    let program = cargo_test()?
        .arg("--")
        .args(cell.row.ignored.then_some("--include-ignored"))
        .args(cell.row.tests.iter().copied())
        // What cannot run is a failure, then, unless the version is why.
        .env("CI", "true")
        .env(name, value);
    let start = Instant::now();
    let output = watched(&mut program.start()?, cell, start).await?;
    report.seconds = start.elapsed().as_secs();
    report.read(&output, cell.row.tests);
    if !report.has_passed() {
        say(output);
    }
    Ok(())
}

/// Cargo's command for the tests, which compiles nothing a second time.
fn cargo_test() -> Outcome<Program> {
    let cargo = environment::on_path("cargo").context("find cargo on PATH")?;
    Ok(Program::new("cargo test", cargo)
        .args(["test", "--workspace", "--test", "it"])
        .folder(&environment::crate_folder().join(".."))
        .envs(environment::variables().filter(|(name, _)| !is_of_this_run(name))))
}

/// A part that is there: its version, and the variable by which tests find it.
struct Obtained {
    version: String,
    name: &'static str,
    value: String,
}

/// Everything that the tests start, built once. A build that takes too long is not waited
/// for, and ends with this process.
fn obtained(cell: Cell) -> Outcome<Obtained> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // After the time is over, the result is not read.
        let _ = sender.send(part(cell).and_then(|part| others(cell).map(|()| part)));
    });
    receiver.recv_timeout(BUILT_WITHIN).context(format!("build {} in an hour", cell.name()))?
}

fn part(cell: Cell) -> Outcome<Obtained> {
    let recipe = match cell.part {
        Part::Tool(recipe) => recipe,
        Part::Product(architecture) => {
            let emulator = architecture.emulated_by()?;
            let by = emulator.map_or_else(String::new, |emulator| format!(", {emulator}"));
            return Ok(Obtained {
                version: format!("{} {}{by}", cell.row.program, env!("CARGO_PKG_VERSION")),
                name: architecture::VARIABLE,
                value: architecture.name().to_owned(),
            });
        }
    };
    let folder = tools::built(recipe)?;
    let file = folder.join(cell.row.program);
    let tool = recipe.tools.iter().find(|tool| tool.name == cell.row.program);
    let tool = tool.context(format!("find {} in {}", cell.row.program, recipe.folder))?;
    let (name, place) = match tool.variable {
        Variable::File(name) => (name, &file),
        Variable::Folder(name) => (name, &folder),
    };
    let value = place.display().to_string();
    Ok(Obtained { version: version(&file, tool.asked)?, name, value })
}

/// What the tests start besides the part: other tools, and the product.
fn others(cell: Cell) -> Outcome<()> {
    let (own, architecture): (&[Tool], _) = match cell.part {
        Part::Tool(recipe) => (recipe.tools, Architecture::HERE),
        Part::Product(architecture) => (&[], architecture),
    };
    for recipe in cell.row.needs {
        let is_own = |tool: &&Tool| own.iter().any(|own| own.name == tool.name);
        for tool in recipe.tools.iter().filter(|tool| !is_own(tool)) {
            tools::find(recipe, tool.name)?;
        }
    }
    for program in [SIDECAR, WEBHOOK, CERTS, CLI] {
        binaries::find_for(program, architecture)?;
    }
    Ok(())
}

/// Waits for the end, and says now and then how far it is.
async fn watched(process: &mut Process, cell: Cell, start: Instant) -> Outcome<String> {
    let mut said = start;
    while process.status()?.is_none() {
        if start.elapsed() > TESTED_WITHIN {
            let text = format!("{} took more than {TESTED_WITHIN:?}", cell.name());
            return Err(Failure::new(format!("{text}; it had said:\n{}", process.output())));
        }
        if said.elapsed() > NEWS_EVERY {
            said = Instant::now();
            let tests = process.output().matches(" ... ok\n").count();
            say(format_args!(
                "{}: {tests} tests after {} s",
                cell.name(),
                start.elapsed().as_secs()
            ));
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(process.output())
}

/// What Cargo has told this program, and would take for changes of what it builds.
fn is_of_this_run(name: &str) -> bool {
    name == "CI" || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// `Kubernetes v1.29.6` or `prometheus, version 2.42.0`, of what a program reports.
fn version(file: &Path, asked: &[&str]) -> Outcome<String> {
    let what = || format!("ask {} for its version", file.display());
    let said = Command::new(file).args(asked).output().context(what())?;
    let said = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    let line = said.lines().next().context(what())?;
    Ok(line.split(" (").next().unwrap_or(line).replace(", version", "").trim().to_owned())
}

/// What is checked out, if Git knows; the results themselves are no difference.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let folder = environment::crate_folder();
        Command::new("git").args(arguments).current_dir(folder).output().ok()
    };
    let commit = git(&["describe", "--always"]).filter(|said| said.status.success())?;
    let paths = [":/", ":!MATRIX.md", ":!matrix.json"];
    let changes = git(&[&["diff", "--quiet", "HEAD", "--"], &paths[..]].concat())?;
    let suffix = if changes.status.success() { "" } else { "-dirty" };
    Some(format!("{}{suffix}", String::from_utf8_lossy(&commit.stdout).trim()))
}
