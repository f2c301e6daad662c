//! What the programs cost by themselves: to start, and to do nothing.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use ::tests::{
    failure::{Context, Failure, Outcome},
    machine::{
        folder, ports,
        process::{Process, Program},
    },
    product::webhook::{self, IssuedCertificate},
    scene::Scene,
};
use bytes::Bytes;
use contract::names::READY_PATH;
use tokio::time::sleep;

use crate::{
    contenders,
    load::{Load, Target},
    spread::Spread,
    stage::Stage,
};

/// Long enough for what runs every few seconds to be seen.
const IDLE: Duration = Duration::from_secs(20);
const STARTS: usize = 10;
const STARTS_WITHIN: Duration = Duration::from_secs(20);
const STOPS_WITHIN: Duration = Duration::from_secs(20);

/// Milliseconds from the sidecar's start until it holds its first token, which
/// a metadata service on loopback issues.
pub(crate) async fn sidecar_start(stage: &Stage) -> Outcome<Spread> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let port = ports::free()?;
        let (time, mut process) = start(&contenders::sidecar(stage, port), port).await?;
        times.push(time);
        process.stop(STOPS_WITHIN).await?;
    }
    Spread::of(times).context("measure starts")
}

/// CPU milliseconds a second of a sidecar that holds a token and has nothing
/// to do.
pub(crate) async fn sidecar_idle(stage: &Stage) -> Outcome<f64> {
    let port = ports::free()?;
    let (_, mut process) = start(&contenders::sidecar(stage, port), port).await?;
    // What the start left to do.
    sleep(Duration::from_secs(1)).await;
    let before = process.group_usage()?.cpu;
    sleep(IDLE).await;
    let used = process.group_usage()?.cpu.saturating_sub(before);
    process.stop(STOPS_WITHIN).await?;
    Ok(used.as_secs_f64() * 1e3 / IDLE.as_secs_f64())
}

/// Milliseconds from the webhook's start until `/ready` succeeds.
pub(crate) async fn webhook_start(stage: &Stage, scene: &Scene) -> Outcome<Spread> {
    let certificate = IssuedCertificate::in_process("localhost")?;
    let folder = folder::temporary("the webhook")?;
    let config = folder.path().join("config.yaml");
    std::fs::write(&config, scene.configuration().to_string()).context("write the config")?;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let (port, admin) = (ports::free()?, ports::free()?);
        let program = Program::new("the webhook", &stage.webhook).args(webhook::serve(
            &config,
            &certificate,
            port,
            admin,
        ));
        let (time, mut process) = start(&program, admin).await?;
        times.push(time);
        process.stop(STOPS_WITHIN).await?;
    }
    Spread::of(times).context("measure starts")
}

/// Starts a program and asks for `/ready` on a port until it succeeds.
async fn start(program: &Program, port: u16) -> Outcome<(f64, Process)> {
    let request = format!("GET {READY_PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let target = Target { address, tls: None, request: Bytes::from(request) };
    let begun = Instant::now();
    let process = program.start()?;
    while !is_ready(&target).await {
        if begun.elapsed() > STARTS_WITHIN {
            return Err(Failure::new(format!("never ready; it had said:\n{}", process.output())));
        }
        sleep(Duration::from_millis(1)).await;
    }
    Ok((begun.elapsed().as_secs_f64() * 1e3, process))
}

async fn is_ready(target: &Target) -> bool {
    match Load::new(target.clone(), 1).await {
        Ok(mut load) => load.send(1).await.is_ok(),
        Err(_) => false,
    }
}
