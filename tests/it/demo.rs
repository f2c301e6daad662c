//! The demo proves something, because it can fail.

use std::{collections::BTreeSet, process::ExitStatus, time::Duration};

use rustix::process::Signal;
use tests::machine::{
    environment,
    process::{Process, Program},
};

/// It is some twelve seconds; the suite's other tests run next to it.
const PATIENCE: Duration = Duration::from_mins(3);

fn start(arguments: &[&str]) -> Process {
    Program::new("the demo", env!("CARGO_BIN_EXE_demo"))
        .args(arguments.iter().copied())
        .envs(environment::variables())
        .start()
        .unwrap()
}

async fn run(arguments: &[&str]) -> (ExitStatus, String) {
    let mut demo = start(arguments);
    let status = demo.wait(PATIENCE).await.unwrap();
    (status, demo.stdout())
}

#[tokio::test]
async fn it_ends_after_the_first_proof_and_states_it() {
    let (status, said) = run(&["--once"]).await;
    assert!(status.success(), "{said}");
    assert!(!said.contains('\x1b'), "colour and movement are for terminals");
    let last = said.lines().last().unwrap();
    let words: Vec<&str> = last.split_whitespace().collect();
    assert_eq!(words[0], "stored", "{last}");
    for role in ["managed identity", "application"] {
        assert!(
            last.contains(&format!("with a token for https://monitor.azure.com/, as {role}")),
            "{last}"
        );
    }
    let numbers: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    assert_eq!(numbers.len(), 4, "{last}");
    assert!(numbers.iter().all(|number| *number > 100), "{last}");
    assert!(said.contains("MiB peak memory") && said.contains("CPU per request"), "{said}");
    let (_, stored) = said.split_once("  Stored ").unwrap();
    let rows: Vec<&str> =
        stored.lines().map(str::trim).filter(|row| row.contains("{job=")).collect();
    let names: BTreeSet<&str> = rows.iter().filter_map(|row| row.split("  ").last()).collect();
    assert!(rows.len() > 6 && names.len() == rows.len(), "rows are distinguishable: {rows:#?}");
    let of_application = |row: &&str| row.contains("destination=\"application\"");
    assert!(rows.iter().any(of_application), "{rows:#?}");
}

#[tokio::test]
async fn it_fails_where_no_good_token_is_sent() {
    let broken = ["no-token", "foreign-token", "no-role"];
    let runs = broken.map(|fault| async move {
        let (status, said) = run(&["--once", "--patience", "10", "--fault", fault]).await;
        assert_eq!(status.code(), Some(1), "{fault}: {said}");
        let (_, reason) = said.split_once("failed: no proof within 10 s").unwrap();
        (fault, reason.to_owned())
    });
    let [no_token, foreign_token, no_role] = runs;
    for (fault, reason) in <[_; 3]>::from(tokio::join!(no_token, foreign_token, no_role)) {
        let expected = match fault {
            "no-token" => "no request reached Azure",
            "foreign-token" => "Azure answered 401",
            _ => "Azure answered 403",
        };
        assert_eq!(reason.matches(expected).count(), 2, "{fault}: {reason}");
        assert!(reason.contains("the sidecar complained of "), "{fault}: {reason}");
        assert!(!reason.contains("complained of nothing"), "{fault}: {reason}");
    }
}

#[tokio::test]
async fn nothing_outlives_it_even_if_it_is_killed() {
    if !std::path::Path::new("/proc/self/stat").exists() {
        return;
    }
    let mut demo = start(&["--patience", "60", "--fault", "no-token"]);
    let step = |line: &str| line.contains("remote_write application").then_some(());
    demo.line("Prometheus ran", PATIENCE, step).await.unwrap();
    let children = children(demo.id());
    assert!(children.len() >= 4, "webhook, sidecar, Prometheus, the warden: {children:?}");
    demo.signal(Signal::KILL).unwrap();
    demo.wait(PATIENCE).await.unwrap();
    for _ in 0..500 {
        if !children.iter().any(|pid| is_running(*pid)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("some of {children:?} still run");
}

/// Processes whose parent is `parent`.
fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

/// Field 4 of proc(5)'s stat, counted after the program's name.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn is_running(pid: u32) -> bool {
    // A process that was killed and not yet reaped has no command line.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}
