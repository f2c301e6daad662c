//! What both programs cost, beside what one could use instead.
//!
//! The sidecar, nginx and a bare hyper proxy forward the same writes to the
//! same sink, in turn, round after round. What counts is CPU time of their own
//! processes, and each round's ratio: a machine that drifts hits all alike.

mod arguments;
mod cells;
mod contenders;
mod latency;
mod load;
mod rounds;
mod sink;
mod spread;
mod stage;
mod table;

use std::process::ExitCode;

use clap::Parser;
use tests::failure::Outcome;

use self::{
    arguments::{Arguments, Command, Run},
    cells::{GOAL_CELLS, all_cells},
    contenders::Kind,
    stage::Stage,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        None => bench(&arguments.run).await,
        Some(Command::BareHyper(proxy)) => contenders::serve(proxy).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            table::say(&format!("failed: {failure}"));
            ExitCode::FAILURE
        }
    }
}

async fn bench(run: &Run) -> Outcome<()> {
    let stage = Stage::new().await?;
    let kinds = Kind::available();
    let cells = match (run.cells.as_slice(), run.all) {
        ([], true) => all_cells(),
        ([], false) => GOAL_CELLS.to_vec(),
        (cells, _) => cells.to_vec(),
    };
    table::cells_head();
    for cell in cells {
        let measured = rounds::measure(&stage, &kinds, cell, run.effort()).await?;
        table::cell(&measured);
    }
    Ok(())
}
