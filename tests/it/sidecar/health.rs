//! The exec probe: whether the sidecar in this pod lives.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::{
    machine::{
        ports,
        process::{Process, Program},
    },
    product::binaries,
};

use super::{PATIENCE, Stage};

/// The probe, with nothing but the port and a proxy that must not be asked.
fn probe(port: &str) -> Process {
    let nowhere = format!("http://127.0.0.1:{}", ports::free().unwrap());
    let variables = ["http_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
        .map(|name| (name, nowhere.clone()));
    Program::new("health", binaries::find(binaries::SIDECAR).unwrap())
        .arg("health")
        .envs(variables)
        .envs([("LISTENING_PORT", port)])
        .start()
        .unwrap()
}

/// The exit status, and all that was said.
async fn outcome(port: &str) -> (Option<i32>, String) {
    let mut process = probe(port);
    let status = process.wait(PATIENCE).await.unwrap();
    (status.code(), process.output())
}

#[tokio::test]
async fn the_probe_follows_the_life_of_the_process() {
    let mut rig = Stage::new().await.start().await;
    let port = rig.port.to_string();
    assert_eq!(outcome(&port).await, (Some(0), String::new()));

    rig.process.signal(Signal::STOP).unwrap();
    let begun = Instant::now();
    let (status, said) = outcome(&port).await;
    rig.process.signal(Signal::CONT).unwrap();
    assert_eq!((status, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains(&port) && said.contains("timed out"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(outcome(&port).await.0, Some(0), "it goes on");

    rig.process.signal(Signal::KILL).unwrap();
    rig.process.wait(PATIENCE).await.unwrap();
    let (status, said) = outcome(&port).await;
    assert_eq!((status, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("refused"), "{said}");
}

#[tokio::test]
async fn the_probe_names_a_port_that_is_none() {
    let (status, said) = outcome("eighty").await;
    assert_eq!(status, Some(1));
    assert!(said.contains(r#"LISTENING_PORT="eighty""#), "{said}");
}
