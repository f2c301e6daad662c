//! The whole product on a real cluster, as users have it: every sample of Prometheus has
//! arrived at Azure's stand-in, whatever happens.
//!
//! The stack is installed once and never stops; scenario after scenario breaks
//! something in it, and each ends in the same question ([`account`]). Arguments
//! name scenarios; without any, all run in their order, but for those that need more.

mod account;
mod probe;
mod scenarios;
mod stack;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Instant};

use tests::{
    failure::{Context, Failure, Outcome},
    kubernetes::{
        deployment,
        kind::{self, Cluster, Steps},
    },
    machine::environment,
    say,
};

use self::{account::Account, scenarios::Scenario, stack::Stack};

#[tokio::main]
async fn main() -> ExitCode {
    let named: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    match run(&named).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(format_args!("FAILED: {failure}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(named: &[String]) -> Outcome<()> {
    let scenarios = scenarios::chosen(named)?;
    let name = environment::variable("KIND_CLUSTER").unwrap_or_else(|| kind::NAME.to_owned());
    let cluster = Cluster::find(&name)?
        .ok_or_else(|| Failure::new(format!("there is no cluster {name}: run `just kind-up`")))?;
    let cluster = Arc::new(cluster);
    let Err(failure) = install_and_play(&cluster, &name, &scenarios).await else { return Ok(()) };
    let what = match logs(&cluster) {
        Ok(folder) => format!("finish; logs are in {}", folder.display()),
        Err(failure) => format!("finish, nor have the logs ({failure})"),
    };
    Err(failure).context(what)
}

async fn install_and_play(
    cluster: &Arc<Cluster>,
    name: &str,
    scenarios: &[&Scenario],
) -> Outcome<()> {
    let start = Instant::now();
    deployment::install(cluster, &Steps::default())?;
    let stack = Stack::new(Arc::clone(cluster), name).await?;
    let outcome = play(&stack, scenarios).await;
    say(format_args!("{} scenarios in {} s", scenarios.len(), start.elapsed().as_secs()));
    outcome
}

/// One after the other over the same running stack, the first failure ends it.
async fn play(stack: &Stack, scenarios: &[&Scenario]) -> Outcome<()> {
    stack.behave().await?;
    let mut account = Account::open(stack).await?;
    for scenario in scenarios {
        let start = Instant::now();
        say(format_args!("{}: {}", scenario.name, scenario.what));
        let context = || format!("get through the scenario {}", scenario.name);
        let tolerance = (scenario.play)(stack).await.context(context())?;
        let played = start.elapsed();
        let line = account.settle(stack, &tolerance).await.context(context())?;
        let (played, all) = (played.as_secs(), start.elapsed().as_secs());
        say(format_args!("  {line}; {played} s, settled after {all} s"));
    }
    Ok(())
}

/// Logs of everything, in a folder that stays.
fn logs(cluster: &Cluster) -> Outcome<PathBuf> {
    let folder = environment::crate_folder().with_file_name("target").join("kind-logs");
    let _ = std::fs::remove_dir_all(&folder);
    cluster.logs(&folder)?;
    Ok(folder)
}
