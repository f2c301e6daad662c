//! Runs a program below valgrind, twice with a different number of requests:
//! the difference is what a request costs, without start and end.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use ::tests::{
    failure::{Context, Failure, Outcome},
    machine::{
        environment, ports,
        process::{Process, Program},
    },
    product::webhook::{IssuedCertificate, Webhook},
    scene::Scene,
};
use contract::names::WRITE_PATH;
use rustix::process::Signal;
use tokio::time::sleep;

use super::{Costs, callgrind};
use crate::{
    cells::write_request,
    contenders,
    load::{Load, Target},
    reviews,
    stage::Stage,
};

/// Requests of the shorter run: connections are made, buffers are there.
const FEW: u32 = 20;
/// Requests that the longer run has more: so many that a handshake more or less,
/// of some three million instructions, is one per cent.
const MORE: u32 = 2000;
/// The size of writes: small enough that our own code shows next to AES.
const KIBIBYTES: usize = 25;
/// Valgrind is some fifty times slower.
const STARTS_WITHIN: Duration = Duration::from_mins(2);
const STOPS_WITHIN: Duration = Duration::from_mins(1);
/// The first signal lets the sidecar serve on for a while, the second does not.
const BETWEEN_SIGNALS: Duration = Duration::from_secs(1);
const TRIES: u32 = 5;
/// Valgrind has no vDSO, so what is not a system call elsewhere is one there.
const NO_SYSTEM_CALL: &str = "sys_clock_gettime";

/// What a run has cost in all.
struct Total {
    instructions: u64,
    allocations: u64,
    system_calls: u64,
}

pub(super) async fn sidecar(stage: &Stage) -> Outcome<Costs> {
    let few = sidecar_run(stage, FEW).await?;
    let more = sidecar_run(stage, FEW + MORE).await?;
    costs(&few, &more, &stage.sidecar)
}

pub(super) async fn webhook(stage: &Stage) -> Outcome<Costs> {
    let scene = Scene::new().await?;
    let few = webhook_run(stage, &scene, FEW).await?;
    let more = webhook_run(stage, &scene, FEW + MORE).await?;
    costs(&few, &more, &stage.webhook)
}

async fn sidecar_run(stage: &Stage, requests: u32) -> Outcome<Total> {
    let port = ports::free()?;
    let counts = stage.folder.path().join(format!("callgrind.sidecar.{requests}"));
    let program = valgrind(&counts, &stage.sidecar)?;
    let mut process = contenders::sidecar_as(program, stage, port).start()?;
    let has_token = |line: &str| line.contains("token obtained").then_some(());
    process.line("it held a token", STARTS_WITHIN, has_token).await?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let target = Target { address, tls: None, request: write_request(KIBIBYTES, WRITE_PATH)? };
    connected(&target).await?.send(requests).await?;
    stop(&mut process).await?;
    total(&process, &counts)
}

async fn webhook_run(stage: &Stage, scene: &Scene, requests: u32) -> Outcome<Total> {
    let counts = stage.folder.path().join(format!("callgrind.webhook.{requests}"));
    let program = valgrind(&counts, &stage.webhook)?;
    let certificate = IssuedCertificate::in_process("localhost")?;
    let mut webhook = Webhook::start_as(program, certificate, &scene.configuration()).await?;
    let target = reviews::target(&webhook, &Scene::pod(&scene.identity, reviews::PORT)?)?;
    connected(&target).await?.send(requests).await?;
    stop(webhook.process()).await?;
    total(webhook.process(), &counts)
}

/// A connection that has carried a request. On a busy machine the first may be
/// given up by the program, for which a handshake then takes too long.
async fn connected(target: &Target) -> Outcome<Load> {
    let mut tries = 0;
    loop {
        tries += 1;
        let load = async {
            let mut load = Load::new(target.clone(), 1).await?;
            load.send(1).await?;
            Ok(load)
        };
        match load.await {
            Err(_) if tries < TRIES => {}
            ended => return ended,
        }
    }
}

fn valgrind(counts: &Path, program: &Path) -> Outcome<Program> {
    let valgrind = environment::on_path("valgrind").context("find valgrind")?;
    Ok(Program::new("valgrind", valgrind)
        .args(["--tool=callgrind", "--trace-syscalls=yes", "--vgdb=no"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(program.display().to_string()))
}

async fn stop(process: &mut Process) -> Outcome<()> {
    for _ in 0..STOPS_WITHIN.as_secs() {
        if process.status()?.is_some() {
            return Ok(());
        }
        process.signal(Signal::TERM)?;
        sleep(BETWEEN_SIGNALS).await;
    }
    Err(Failure::new(format!("it did not stop; it had said:\n{}", process.output())))
}

fn total(process: &Process, counts: &Path) -> Outcome<Total> {
    let text = fs::read_to_string(counts).context(format!("read {}", counts.display()))?;
    let counted = callgrind::read(&text).context("understand callgrind's file")?;
    let output = process.output();
    let calls = output.lines().filter(|line| {
        line.starts_with("SYSCALL[") && line.contains(") sys_") && !line.contains(NO_SYSTEM_CALL)
    });
    let callgrind::Counted { instructions, allocations } = counted;
    Ok(Total { instructions, allocations, system_calls: calls.count() as u64 })
}

fn costs(few: &Total, more: &Total, program: &Path) -> Outcome<Costs> {
    let each = |few: u64, more: u64| {
        let difference = more.checked_sub(few).and_then(|all| u32::try_from(all).ok());
        difference.map(|all| f64::from(all) / f64::from(MORE)).context("subtract two runs")
    };
    let binary_bytes = program.metadata().context(format!("look at {}", program.display()))?.len();
    Ok(Costs {
        instructions: each(few.instructions, more.instructions)?.round(),
        allocations: each(few.allocations, more.allocations)?,
        system_calls: each(few.system_calls, more.system_calls)?,
        binary_bytes,
    })
}
