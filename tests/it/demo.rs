//! The demo proves something, since it can fail.

use std::{process::ExitStatus, time::Duration};

use tests::{
    environment,
    process::{Process, Program},
};

/// It is some twelve seconds; the suite's other tests run beside it.
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
        assert!(last.contains(&format!("behind https://monitor.azure.com/ as {role}")), "{last}");
    }
    let numbers: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    assert_eq!(numbers.len(), 4, "{last}");
    assert!(numbers.iter().all(|number| *number > 100), "{last}");
    assert!(said.contains("MiB peak memory") && said.contains("CPU per request"), "{said}");
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
        assert!(!reason.contains("complained of nothing"), "{fault}: {reason}");
    }
}
