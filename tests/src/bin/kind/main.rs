//! A local test cluster: created, filled and deleted.

mod arguments;

use std::{
    io::{Write, stderr, stdout},
    process::ExitCode,
};

use clap::Parser;
use tests::{
    failure::{Failure, Outcome},
    kubernetes::{
        deployment,
        kind::{Cluster, Steps},
    },
};

use self::arguments::{Action, Arguments, Image};

fn main() -> ExitCode {
    let Arguments { name, action } = Arguments::parse();
    match run(&name, action) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _closed = writeln!(stderr(), "{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, action: Action) -> Outcome<()> {
    let steps = Steps::default();
    match action {
        Action::Up => {
            let cluster = Cluster::up(name, &steps)?;
            steps.note("ready");
            tell(&cluster);
            Ok(())
        }
        Action::Down => Cluster::down(name, &steps),
        Action::Load { images } => {
            let cluster = find(name)?;
            images.into_iter().try_for_each(|image| load(&cluster, image, &steps))
        }
        Action::Logs { folder } => {
            let cluster = find(name)?;
            steps.step("logs", || cluster.logs(&folder))
        }
    }
}

fn find(name: &str) -> Outcome<Cluster> {
    Cluster::find(name)?
        .ok_or_else(|| Failure::new(format!("there is no cluster {name}: up makes it")))
}

fn load(cluster: &Cluster, image: Image, steps: &Steps) -> Outcome<()> {
    let program = image.program();
    steps.step(program, || deployment::load(cluster, &[program]))?;
    steps.note("pods that are made from now on have it");
    Ok(())
}

/// What a shell needs to reach it, on standard output: for `eval` as well.
fn tell(cluster: &Cluster) {
    let mut out = stdout().lock();
    let _closed = writeln!(out, "export KUBECONFIG={}", cluster.kubeconfig().display());
    if let Some(host) = cluster.docker_host() {
        let _closed = writeln!(out, "export DOCKER_HOST={host}");
    }
}
