//! The main job on real input, as a person would watch it.
//!
//! An annotated pod as kube-prometheus-stack makes it goes through the real webhook. It
//! names two profiles: a workspace for a managed identity, and one for an application
//! with a certificate. The injected sidecar is started from the patched pod, and a real
//! Prometheus writes to both of its destinations, behind which a stand-in for Azure
//! refuses whatever Azure refuses. The last line reports what was stored, or why nothing
//! was.

mod arguments;
mod brief;
mod dashboard;
mod line;
mod picture;
mod proof;
mod screen;
mod signals;
mod stage;
mod steps;
mod table;
mod watch;

use std::{path::Path, process::ExitCode};

use clap::Parser;
use tests::failure::{Failure, Outcome};

use self::{arguments::Arguments, proof::Proof, screen::Screen, signals::Signals, stage::Stage};

#[tokio::main]
async fn main() -> ExitCode {
    let (arguments, screen) = (Arguments::parse(), Screen::new());
    let shown = demo(&arguments, &screen).await.and_then(|line| {
        screen.verdict(&line);
        arguments.picture.as_ref().map_or(Ok(()), |file| screen.draw(file))
    });
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            screen.failure(&failure);
            ExitCode::FAILURE
        }
    }
}

/// Its answer is the last line.
async fn demo(arguments: &Arguments, screen: &Screen) -> Outcome<String> {
    screen.introduction();
    let sidecar = steps::build(screen, arguments.optimised)?;
    let mut signals = Signals::new()?;
    // What is dropped by an interruption is killed.
    let (mut stage, mut proofs) = tokio::select! {
        proved = prove_delivery(arguments, screen, &sidecar) => proved?,
        () = signals.next() => return Err(Failure::new("interrupted before anything was proved")),
    };
    table::show(screen, &stage);
    if !arguments.once && screen.is_terminal() {
        proofs = watch::until_interrupted(screen, &stage, &mut signals).await?;
        table::show(screen, &stage);
    }
    if let Some(file) = &arguments.dashboard {
        tokio::select! {
            drawn = dashboard::draw(screen, &stage, file) => drawn?,
            () = signals.next() => return Err(Failure::new("interrupted before the dashboard was drawn")),
        }
    }
    steps::summarize(screen, &mut stage, arguments.optimised).await?;
    Ok(proof::sentence(&proofs))
}

/// Everything up to the first samples of every kind.
async fn prove_delivery(
    arguments: &Arguments,
    screen: &Screen,
    sidecar: &Path,
) -> Outcome<(Stage, Vec<Proof>)> {
    let scene = steps::azure(screen).await?;
    if let Some(fault) = arguments.fault {
        fault.inflict(&scene);
    }
    let webhook = steps::webhook(screen, &scene).await?;
    let pod = steps::admit(screen, &webhook, &scene).await?;
    let sidecar = steps::sidecar(screen, &scene, &pod, sidecar).await?;
    let mut stage = Stage::new(scene, webhook, sidecar);
    steps::prometheus(screen, &mut stage, &pod).await?;
    let proofs = watch::first_proof(screen, &mut stage, arguments.patience()).await?;
    Ok((stage, proofs))
}
