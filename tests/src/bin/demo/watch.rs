//! Waiting for samples.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tests::{
    failure::{Failure, Outcome},
    scene::{CLUSTER, Role},
};
use tokio::time::sleep;

use super::{
    proof::{self, Proof},
    screen::Screen,
    signals::Signals,
    stage::Stage,
};

/// Often enough to look alive.
const GLANCE: Duration = Duration::from_millis(250);

/// Until samples of everything are stored behind every rule.
pub(crate) async fn first_proof(
    screen: &Screen,
    stage: &mut Stage,
    patience: Duration,
) -> Outcome<Vec<Proof>> {
    let start = Instant::now();
    loop {
        screen.progress(&counts(screen, stage));
        let proofs: Vec<Proof> =
            stage.scene.roles().into_iter().filter_map(|role| proof_of(stage, role)).collect();
        if proofs.len() == stage.scene.roles().len() {
            return Ok(proofs);
        }
        if start.elapsed() > patience {
            return Err(Failure::new(reasons(stage, patience)));
        }
        sleep(GLANCE).await;
    }
}

/// Shows how samples come in until someone has seen enough.
pub(crate) async fn until_interrupted(
    screen: &Screen,
    stage: &Stage,
    signals: &mut Signals,
) -> Outcome<Vec<Proof>> {
    screen.line("Prometheus keeps writing. Press Ctrl-C to stop.");
    loop {
        screen.progress(&counts(screen, stage));
        tokio::select! {
            () = sleep(GLANCE) => {}
            () = signals.next() => break,
        }
    }
    let proofs = stage.scene.roles().map(|role| {
        let gone = || Failure::new(format!("{}: what was stored is no proof any more", role.name));
        proof_of(stage, role).ok_or_else(gone)
    });
    proofs.into_iter().collect()
}

fn proof_of(stage: &Stage, role: &Role) -> Option<Proof> {
    let writer = &role.principal.client_id;
    let look = |workspace: &_| proof::find(role.name, writer, CLUSTER, workspace);
    stage.scene.azure.workspace(&role.rule, look)
}

/// `00:12  managed identity 1234 samples of 512 series · …`
fn counts(screen: &Screen, stage: &Stage) -> String {
    let each = stage.scene.roles().map(|role| {
        stage.scene.azure.workspace(&role.rule, |workspace| {
            let (samples, series) = (workspace.sample_count(), workspace.series_count());
            format!("{} {samples} samples of {series} series", role.name)
        })
    });
    let seconds = screen.seconds();
    format!("    {:02}:{:02}  {}", seconds / 60, seconds % 60, each.join("  ·  "))
}

/// Why nothing came, as far as it can be known.
fn reasons(stage: &Stage, patience: Duration) -> String {
    let mut lines = vec![format!("no proof within {} s", patience.as_secs())];
    for role in stage.scene.roles() {
        if proof_of(stage, role).is_some() {
            continue;
        }
        let mut statuses = BTreeMap::<u16, usize>::new();
        for status in stage.answers(role) {
            *statuses.entry(status).or_default() += 1;
        }
        let answers: Vec<String> =
            statuses.iter().map(|(status, times)| format!("{status} ({times} times)")).collect();
        let azure = if answers.is_empty() {
            "no request reached Azure".to_owned()
        } else {
            format!("Azure answered {}", answers.join(", "))
        };
        lines.push(format!("{}: {azure}", role.name));
    }
    let said = stage.sidecar.last_complaint().unwrap_or_else(|| "nothing".to_owned());
    lines.push(format!("the sidecar complained of {said}"));
    lines.join("\n  ")
}
