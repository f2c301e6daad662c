//! The harness keeps its own promises.

use std::{os::unix::process::ExitStatusExt, path::Path, time::Duration};

use rustix::process::Signal;
use tests::{
    machine::process::Program,
    prometheus::{Mode, Options, Prometheus},
};

const PATIENCE: Duration = Duration::from_secs(30);

fn shell(script: &str) -> Program {
    Program::new("a shell", "/bin/sh").args(["-c", script])
}

fn is_running(pid: u32) -> bool {
    // A process that was killed and not yet reaped has no command line.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

#[tokio::test]
async fn a_program_gets_what_it_is_given_and_nothing_else() {
    let said = shell("echo $0 $1; env").args(["zero", "one"]).env("A", "1").run(PATIENCE).await;
    let said = said.unwrap();
    let mut lines: Vec<&str> = said.lines().collect();
    // Shells set these themselves.
    lines.retain(|line| {
        !["PWD=", "SHLVL=", "_=", "OLDPWD="].iter().any(|own| line.starts_with(own))
    });
    assert_eq!(lines, ["zero one", "A=1"]);
}

#[tokio::test]
async fn a_failure_shows_what_was_said() {
    let failure = shell("echo out; echo err >&2; exit 3").run(PATIENCE).await.unwrap_err();
    let text = failure.to_string();
    assert!(
        text.contains("exit status: 3") && text.contains("out") && text.contains("err"),
        "{text}"
    );

    let mut process = shell("echo early; exit 4").start().unwrap();
    let failure = process.line("never", PATIENCE, |line| (line == "late").then_some(())).await;
    let text = failure.unwrap_err().to_string();
    assert!(text.contains("ended with exit status: 4 before never"), "{text}");
}

#[tokio::test]
async fn a_program_is_stopped_in_order_and_killed_when_dropped() {
    let script = "trap 'echo asked; exit 5' TERM; echo up; while :; do sleep 0.05; done";
    let mut process = shell(script).env("PATH", "/usr/bin:/bin").start().unwrap();
    process.line("its first word", PATIENCE, |line| (line == "up").then_some(())).await.unwrap();
    assert_eq!(process.stop(PATIENCE).await.unwrap().code(), Some(5));
    assert_eq!(process.stdout(), "up\nasked\n");

    let deaf = shell("trap '' TERM; echo up; while :; do sleep 0.05; done");
    let mut process = deaf.env("PATH", "/usr/bin:/bin").start().unwrap();
    process.line("its first word", PATIENCE, |line| (line == "up").then_some(())).await.unwrap();
    assert!(process.stop(Duration::from_millis(100)).await.is_err());
    assert_eq!(process.status().unwrap().unwrap().signal(), Some(9));
}

#[tokio::test]
async fn children_of_a_program_stop_with_it() {
    for end in ["wait", "exit 0"] {
        let script = format!("sleep 60 & echo $!; {end}");
        let mut process = shell(&script).env("PATH", "/usr/bin:/bin").start().unwrap();
        let own = process.id();
        let child: u32 = process.line("a pid", PATIENCE, |line| line.parse().ok()).await.unwrap();
        if end == "exit 0" {
            process.wait(PATIENCE).await.unwrap();
        }
        drop(process);
        until(async || (!is_running(own) && !is_running(child)).then_some(())).await;
    }
}

#[tokio::test]
async fn a_process_tells_what_it_costs() {
    let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo done; sleep 60";
    let mut process = shell(script).env("PATH", "/usr/bin:/bin").start().unwrap();
    process.line("its work", PATIENCE, |line| (line == "done").then_some(())).await.unwrap();
    if Path::new("/proc/self/stat").exists() {
        let usage = process.usage().unwrap();
        assert!(
            usage.peak_memory > 100 << 10 && usage.cpu >= Duration::from_millis(10),
            "{usage:?}"
        );
    }
}

#[tokio::test]
async fn prometheus_scrapes_itself() {
    let options = Options {
        mode: Mode::Server,
        scrape_interval: Duration::from_millis(200),
        ..Options::default()
    };
    let mut prometheus = Prometheus::start(&options).await.unwrap();
    let up = until(async || prometheus.range("up[1m]", None).await.unwrap().pop()).await;
    assert_eq!(up.labels["job"], "prometheus");
    assert!(up.samples.iter().all(|(time, value)| *time > 1_600_000_000_000 && value.is_finite()));
    let targets = prometheus.targets().await.unwrap();
    assert_eq!(targets.len(), 1);
    prometheus.stop().await.unwrap();
    assert!(prometheus.process().output().contains("msg=\"See you next time!\""));
}

async fn until<T>(mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..300 {
        if let Some(found) = probe().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come to pass");
}

#[tokio::test]
async fn a_program_that_ended_gets_no_signal() {
    let mut process = shell("echo hello").start().unwrap();
    assert!(process.wait(PATIENCE).await.unwrap().success());
    assert!(process.signal(Signal::TERM).is_err(), "its number may be somebody else's");
}
