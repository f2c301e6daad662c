//! What both programs cost, compared with what one could use instead.
//!
//! The sidecar, nginx, a bare hyper proxy and aad-auth-proxy forward the same writes to the
//! same sink, in turn, round after round. What counts is CPU time of their own
//! processes, and each round's ratio: a machine that drifts hits all alike.

mod alone;
mod arguments;
mod cells;
mod contenders;
mod creation;
mod goals;
mod guard;
mod latency;
mod load;
mod paced;
mod picture;
mod report;
mod reviews;
mod rounds;
mod sink;
mod spread;
mod stage;
mod table;

use std::{fs, process::ExitCode};

use ::tests::{
    failure::{Context, Outcome},
    machine::hardware::Hardware,
    scene::Scene,
};
use clap::Parser;

use self::{
    arguments::{Arguments, Command, Part, Run},
    cells::GOAL_CELLS,
    contenders::Kind,
    report::{Report, SidecarAlone},
    rounds::Measured,
    stage::Stage,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        None => bench(&arguments.run).await,
        Some(Command::Guard) => guard::run().await,
        Some(Command::BareHyper(proxy)) => contenders::serve(proxy).await,
        Some(Command::BareWebhook(server)) => reviews::serve(server).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            table::say(&format!("failed: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// Measures what is asked for, and writes it down.
async fn bench(run: &Run) -> Outcome<()> {
    let stage = Stage::new().await?;
    let mut report = Report {
        machine: Hardware::here(),
        effort: run.effort(),
        cells: Vec::new(),
        sidecar: None,
        webhook: None,
    };
    if run.wants(Part::Forwarding) {
        report.cells = forwarding(run, &stage).await?;
    }
    if run.wants(Part::Sidecar) {
        report.sidecar = Some(SidecarAlone {
            start_to_token_milliseconds: alone::sidecar_start(&stage).await?,
            idle_cpu_milliseconds_a_second: alone::sidecar_idle(&stage).await?,
        });
    }
    if run.wants(Part::Webhook) {
        report.webhook = Some(webhook(run, &stage).await?);
    }
    table::alone(&report);
    table::goals(&goals::judge(&report));
    write_down(run, &report)
}

async fn forwarding(run: &Run, stage: &Stage) -> Outcome<Vec<Measured>> {
    let (kinds, left_out) = Kind::available();
    for reason in left_out {
        table::say(&reason);
    }
    let cells = if run.cells.is_empty() { &GOAL_CELLS[..] } else { &run.cells };
    let mut all = Vec::new();
    table::cells_head();
    for &cell in cells {
        let measured = rounds::measure(stage, &kinds, cell, run.effort()).await?;
        table::cell(&measured);
        all.push(measured);
    }
    Ok(all)
}

async fn webhook(run: &Run, stage: &Stage) -> Outcome<report::Webhook> {
    let scene = Scene::new().await?;
    let reviews = reviews::measure(stage, &scene, run.effort()).await?;
    let start_to_ready_milliseconds = alone::webhook_start(stage, &scene).await?;
    let mut running = reviews::start(stage, &scene).await?;
    let creation = match creation::measure(&scene, &running).await? {
        Ok(creation) => Some(creation),
        Err(reason) => {
            table::say(&format!("no pod was created: {reason}"));
            None
        }
    };
    running.stop().await?;
    Ok(report::Webhook { reviews, start_to_ready_milliseconds, creation })
}

fn write_down(run: &Run, report: &Report) -> Outcome<()> {
    if let Some(file) = &run.json {
        let text = serde_json::to_string_pretty(report).context("write figures")?;
        fs::write(file, text + "\n").context(format!("write {}", file.display()))?;
    }
    if let Some(file) = &run.svg {
        picture::write(report, file)?;
    }
    Ok(())
}
