//! Addresses of the cluster never leave the machine.
//!
//! Each node refuses those that no one has (`manifests/kind/cluster-addresses.conf`).
//! This is the wall behind it: what still came out of the cluster's own network towards
//! another is rejected in the chain that Docker keeps for its users' rules. It stands
//! before the first node starts.

use std::process::Command;

use super::{Steps, command, engine::Engine};
use crate::failure::{Context, Outcome};

/// Services and pods, as `manifests/kind/cluster.yaml` has them, and where
/// clouds tell a machine about itself.
const RANGES: [&str; 3] = ["10.96.0.0/16", "10.244.0.0/16", "169.254.169.254/32"];
/// Where Docker lets others add rules.
const CHAIN: &str = "DOCKER-USER";

/// Makes the cluster's network, and the rules around it.
pub(super) fn build(name: &str, engine: &Engine, steps: &Steps) -> Outcome<()> {
    if bridge(name, engine).is_none() {
        command::ask(engine.docker().args(["network", "create", "--driver=bridge", name]))?;
    }
    let bridge = bridge(name, engine).context(format!("find the network {name}"))?;
    let present = rules();
    for range in RANGES {
        let rule = rule(name, &bridge, range);
        // As they were asked for, but for the form of the destination.
        if present.iter().any(|line| line.contains(&bridge) && line.contains(range)) {
            continue;
        }
        if command::ask(iptables().args(["-I", CHAIN]).args(rule)).is_err() {
            // Without root, or where the engine runs in its own machine.
            steps.note(&format!("no rule in {CHAIN}: the nodes alone keep {range} inside"));
        }
    }
    Ok(())
}

/// Removes both, also rules of a network that someone has removed before.
pub(super) fn remove(name: &str, engine: &Engine) -> Outcome<()> {
    let (comment, bridge) = (comment(name), bridge(name, engine));
    for line in rules() {
        let words: Vec<&str> = line.split(' ').map(|word| word.trim_matches('"')).collect();
        let is_ours = |word: &&str| *word == comment || Some(*word) == bridge.as_deref();
        if let (["-A", rule @ ..], true) = (words.as_slice(), words.iter().any(is_ours)) {
            command::ask(iptables().arg("-D").args(rule))?;
        }
    }
    if bridge.is_some() {
        command::ask(engine.docker().args(["network", "rm", name]))?;
    }
    Ok(())
}

/// Docker names a network's bridge after the first twelve digits of its id.
fn bridge(name: &str, engine: &Engine) -> Option<String> {
    let mut docker = engine.docker();
    let asked = docker.args(["network", "inspect", "--format={{.Id}}", name]);
    let id = command::ask(asked).ok()?;
    Some(format!("br-{}", id.trim().get(..12)?))
}

fn rule(name: &str, bridge: &str, range: &str) -> Vec<String> {
    let comment = comment(name);
    ["-i", bridge, "!", "-o", bridge, "-d", range]
        .into_iter()
        .chain(["-m", "comment", "--comment", &comment, "-j", "REJECT"])
        .map(str::to_owned)
        .collect()
}

/// By which a rule is known to be this cluster's.
fn comment(name: &str) -> String {
    format!("kind-cluster/{name}")
}

/// The chain's rules, in the words that would make them again.
fn rules() -> Vec<String> {
    let listed = command::ask(iptables().args(["-S", CHAIN])).unwrap_or_default();
    listed.lines().map(str::to_owned).collect()
}

fn iptables() -> Command {
    let mut command = Command::new("iptables");
    command.arg("-w");
    command
}
