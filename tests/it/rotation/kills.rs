//! Killed anywhere, run twice at once: a later run finds everything in order.

use std::time::Duration;

use certs::pair::Damage;
use rustix::process::Signal;

use super::fixture::{Fixture, fixture};

const PATIENCE: Duration = Duration::from_secs(60);
/// A run with the waits of these tests takes about half a second.
const RUN: u64 = 600;

#[tokio::test]
async fn killed_at_any_point_a_later_run_finishes() {
    let Some(fixture) = fixture("killed_at_any_point").await else { return };
    for round in 0..24_u64 {
        let mut process = fixture.program(&["--force"]).start().unwrap();
        // Spread evenly, and not in order: each round finds another state.
        let after = Duration::from_millis(round * 7 % 24 * RUN / 24);
        tokio::time::sleep(after).await;
        // It may have ended just before.
        let _ended = process.signal(Signal::KILL);
        process.wait(PATIENCE).await.unwrap();
        if round % 6 == 5 {
            in_order(&fixture).await;
            fixture.delete_secret().await;
        }
    }
    in_order(&fixture).await;
}

#[tokio::test]
async fn asked_to_end_it_says_that_it_did_not_finish() {
    let Some(fixture) = fixture("asked_to_end").await else { return };
    fixture.rotate(&[]).await;
    let mut process = fixture.program(&["--force", "--settle", "1h"]).start().unwrap();
    let waits = |line: &str| line.contains("wait 3600 s").then_some(());
    process.line("it waited", PATIENCE, waits).await.unwrap();
    let status = process.stop(PATIENCE).await.unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(process.output().contains("stopped by a signal"), "{}", process.output());

    let late = fixture.refused(&["--settle", "1h", "--timeout", "2s"], 1).await;
    assert!(late.contains("not done after 2s"), "{late}");
}

#[tokio::test]
async fn two_at_once_agree() {
    let Some(fixture) = fixture("two_at_once").await else { return };
    for round in 0..6 {
        let runs: Vec<_> = (0..3).map(|_| fixture.program(&["--force"]).start().unwrap()).collect();
        for mut run in runs {
            let status = run.wait(PATIENCE).await.unwrap();
            assert!(status.success(), "round {round}: {}", run.output());
        }
        in_order(&fixture).await;
        if round % 2 == 1 {
            fixture.delete_secret().await;
        }
    }
}

/// One run makes everything as it should be, and nothing is left to do.
async fn in_order(fixture: &Fixture) {
    fixture.rotate(&[]).await;
    let state = fixture.state().await;
    let pair = state.current.unwrap();
    assert_eq!(state.next, Err(Damage::Absent));
    assert!(state.bundle.holds(pair.ca()) && state.adopted);
    let said = fixture.rotate(&["--overlap", "1ms"]).await;
    assert!(said.contains("nothing is left to do"), "{said}");
    assert_eq!(fixture.state().await.bundle.pem(), pair.texts().ca);
}
