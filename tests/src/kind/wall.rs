//! Addresses of the cluster never leave the machine.
//!
//! Each node refuses those that nobody has
//! (`manifests/kind/cluster-addresses.conf`). This is the wall behind it: what
//! still came out of the cluster's own network towards another is rejected in
//! the chain that Docker keeps for its users' rules. It stands before the first
//! node starts.

use std::process::Command;

use super::{Steps, command, engine::Engine};
use crate::failure::{Context, Outcome};

/// The cluster's services and pods: `manifests/kind/cluster.yaml`.
const RANGES: [&str; 2] = ["10.96.0.0/16", "10.244.0.0/16"];

/// Makes the cluster's network, and the rules around it.
pub(super) fn build(name: &str, engine: &Engine, steps: &Steps) -> Outcome<()> {
    if bridge(name, engine).is_none() {
        command::ask(engine.docker().args(["network", "create", "--driver=bridge", name]))?;
    }
    let bridge = bridge(name, engine).context(format!("find the network {name}"))?;
    for range in RANGES {
        let rule = rule(&bridge, range);
        if command::ask(&mut iptables("-C", &rule)).is_ok() {
            continue;
        }
        if let Err(failure) = command::ask(&mut iptables("-I", &rule)) {
            // Without root, or where the engine runs in a machine of its own.
            steps.note(&format!("only the nodes keep {range} inside: {failure}"));
        }
    }
    Ok(())
}

/// Removes both.
pub(super) fn remove(name: &str, engine: &Engine) -> Outcome<()> {
    let Some(bridge) = bridge(name, engine) else { return Ok(()) };
    for range in RANGES {
        let rule = rule(&bridge, range);
        // As often as it is there.
        while command::ask(&mut iptables("-C", &rule)).is_ok() {
            command::ask(&mut iptables("-D", &rule))?;
        }
    }
    command::ask(engine.docker().args(["network", "rm", name]))?;
    Ok(())
}

/// Docker names a network's bridge after the first twelve digits of its id.
fn bridge(name: &str, engine: &Engine) -> Option<String> {
    let mut docker = engine.docker();
    let asked = docker.args(["network", "inspect", "--format={{.Id}}", name]);
    let id = command::ask(asked).ok()?;
    Some(format!("br-{}", id.trim().get(..12)?))
}

fn rule(bridge: &str, range: &str) -> [String; 9] {
    ["-i", bridge, "!", "-o", bridge, "-d", range, "-j", "REJECT"].map(str::to_owned)
}

fn iptables(action: &str, rule: &[String]) -> Command {
    let mut command = Command::new("iptables");
    command.args(["-w", action, "DOCKER-USER"]).args(rule);
    command
}
