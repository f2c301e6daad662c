//! The product for as long as one likes: sidecars that a webhook injected and a real
//! Prometheus write to a mock of Azure that fails in turn, while certificates, tokens and
//! processes are replaced.
//!
//! At the end every sample is accounted for, and what each program holds (memory,
//! descriptors, threads) is compared between the middle and the last third of the time: it
//! must not have grown.

mod chance;
mod changes;
mod event;
mod fleet;
mod load;
mod readings;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use tests::{
    failure::{Context, Outcome},
    say,
};
use tokio::time::sleep;

use self::{chance::Chance, event::Event, fleet::Fleet, load::Load, readings::Readings};

/// Runs the product under faults, and accounts for samples and for what it holds.
#[derive(Debug, Parser)]
#[command(name = "soak")]
struct Arguments {
    /// For how many minutes faults are inflicted.
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// How many sidecars; every second pair of them is restarted now and then.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(2..=64))]
    sidecars: u16,
    /// Chooses the faults and their order.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Between faults: a backlog of ten seconds is gone by then, and what is held can be read.
const QUIET: Duration = Duration::from_secs(10);
/// Until the last sample is stored, after the last fault.
const SETTLES_WITHIN: Duration = Duration::from_mins(5);

#[tokio::main]
async fn main() -> ExitCode {
    match soak(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            say(failure);
            ExitCode::FAILURE
        }
    }
}

/// Whether all was as it must be.
async fn soak(arguments: &Arguments) -> Outcome<bool> {
    let mut fleet = Fleet::start(usize::from(arguments.sidecars)).await?;
    let load = Load::start(&fleet)?;
    let mut chance = Chance::new(arguments.seed);
    let mut readings = Readings::default();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(arguments.minutes * 60) {
        sleep(QUIET).await;
        readings.take(&mut fleet);
        let event = Event::by(&mut chance);
        say(format_args!("{:6} s  {event}", begun.elapsed().as_secs()));
        event.happen(&mut fleet, &mut chance).await?;
    }
    // The webhook looks at its files every two seconds.
    sleep(QUIET).await;
    say("no more faults; waiting for what is still to be stored");
    let account = fleet.settle(SETTLES_WITHIN).await?;
    let reviews = load.stop().await;
    let reloads = fleet.changes.reloads(&fleet.webhook).await?;
    say(format_args!("\n{account}\n{reviews}\n{reloads}\n\n{readings}"));
    fleet.stop().await.context("stop everything")?;
    Ok(account.is_complete() && reviews.are_good() && reloads.are_complete() && readings.are_flat())
}
