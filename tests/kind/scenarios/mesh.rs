//! A Prometheus in a service mesh: Istio's own rules redirect every connection of its pod to
//! a proxy, which is alive in one pod, and dead in two others.

use std::time::Duration;

use http::Method;
use serde_json::Value;
use tests::{
    azure::Labels,
    failure::{Context, Failure, Outcome},
    kubernetes::deployment::{self, IN_MESH, MESH_NAMESPACE},
    prometheus::account::{self, difference},
};
use tokio::time::sleep;

use super::prometheus::A_WHILE;
use crate::{
    account::Tolerance,
    stack::{Stack, eventually},
};

/// The pod whose proxy is alive.
const LIVE: &str = "live";
/// Its proxy is dead.
const DEAD: &str = "dead";
/// The same, with an http probe by annotation.
const DEAD_HTTP: &str = "dead-http";
const SIDECAR: &str = contract::names::CONTAINER;

/// The sidecar starts before the proxy does, and tries again for a token; then Prometheus
/// catches up.
const ARRIVES_WITHIN: Duration = Duration::from_mins(2);
/// Three failures, 10 s apart, and the time that a kubelet takes to start with.
const KILLED_WITHIN: Duration = Duration::from_mins(3);

/// Behind a live proxy every sample arrives, and a write from outside does not. Behind a
/// dead one the sidecar lives, and would be killed again and again if its probe were http.
pub(super) async fn redirected(stack: &Stack) -> Outcome<Tolerance> {
    let from = stack.now();
    deployment::install_mesh(&stack.cluster)?;
    let played = play(stack, from).await;
    let removed = deployment::remove_mesh(&stack.cluster);
    let note = played?;
    removed?;
    Ok(Tolerance::none(note))
}

async fn play(stack: &Stack, from: i64) -> Outcome<String> {
    let wait = ["wait", "--for=condition=Ready", "--timeout=2m", "-n", MESH_NAMESPACE];
    stack.kubectl(&[&wait[..], &["pod", LIVE, DEAD]].concat())?;
    let written = writes(stack, from).await?;
    let refused = refuses(stack)?;
    let killed = lives(stack).await?;
    Ok(format!("{written}; {refused}; {killed}"))
}

/// Every sample of the Prometheus behind a live proxy arrives, and went through it.
async fn writes(stack: &Stack, from: i64) -> Outcome<String> {
    sleep(A_WHILE).await;
    let to = stack.now();
    let mut samples = 0;
    let arrived = async || {
        samples = arrived(stack, from, to).await?.unwrap_or_default();
        Ok(samples > 0)
    };
    eventually("every sample arrives through the mesh", ARRIVES_WITHIN, arrived).await?;
    let path = format!("pods/{LIVE}:15020/proxy/connections");
    let connections = stack.ask(Method::GET, MESH_NAMESPACE, &path, Vec::new()).await?;
    let connections: Value =
        serde_json::from_str(&connections).context("read the proxy's answer")?;
    let number =
        |direction: &str| connections.get(direction).and_then(Value::as_u64).unwrap_or_default();
    let (inbound, outbound) = (number("inbound"), number("outbound"));
    if inbound == 0 || outbound == 0 {
        return Err(Failure::new(format!("connections avoided the mesh's proxy: {connections}")));
    }
    Ok(format!("in the mesh {samples} samples, over {outbound} connections out and {inbound} in"))
}

/// How many samples arrived, if all did that Prometheus has.
async fn arrived(stack: &Stack, from: i64, to: i64) -> Outcome<Option<usize>> {
    let report = stack.report(IN_MESH, from, to).await?;
    if report.duplicates > 0 || report.conflicts > 0 {
        let text = format!(
            "{} samples came twice, {} with two values",
            report.duplicates, report.conflicts
        );
        return Err(Failure::new(text));
    }
    let external = Labels::from(
        [("cluster", "kind"), ("prometheus", "mesh/live")]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let held = stack.held_by((MESH_NAMESPACE, LIVE), from, to).await?;
    let held = account::held(held, &external, from);
    let found = difference(&held, &account::arrived(&report, from), &[]);
    let all = found.missing.is_empty() && found.invented.is_empty();
    Ok(all.then(|| account::count(&held)))
}

/// A write from outside comes to the sidecar from loopback, which it must not believe.
fn refuses(stack: &Stack) -> Outcome<String> {
    let url = format!("http://{}:8081/api/v1/write", address(stack, LIVE)?);
    let [node, _] = stack.nodes();
    let mut write = vec!["curl", "--silent", "--max-time", "30", "--data-binary", "x"];
    write.extend(["--header", "content-encoding: snappy"]);
    write.extend(["--header", "content-type: application/x-protobuf"]);
    write.extend(["--write-out", "%{http_code}", &url]);
    let said = stack.on_node(&node, &write)?;
    let from_loopback = said.contains("a write came from 127.0.0.6, outside of this pod");
    if from_loopback && said.ends_with("503") {
        return Ok("a write from outside refused".to_owned());
    }
    Err(Failure::new(format!("a write from outside was not refused as one: {said}")))
}

/// Behind a dead proxy nothing of the pod can be reached. Where the webhook chose the
/// probe, the sidecar lives; where http was asked for, the kubelet kills it meanwhile.
async fn lives(stack: &Stack) -> Outcome<String> {
    let url = format!("http://{}:9090/-/ready", address(stack, DEAD)?);
    let [node, _] = stack.nodes();
    let reached = stack.on_node(&node, &["curl", "--silent", "--max-time", "10", &url]);
    // curl's status for a refused connection.
    if !reached.as_ref().is_err_and(|failure| failure.to_string().contains("exit status: 7")) {
        return Err(Failure::new(format!("the dead proxy does not stand in the way: {reached:?}")));
    }
    for (name, probe) in [(LIVE, "exec"), (DEAD, "exec"), (DEAD_HTTP, "httpGet")] {
        let pod = pod(stack, name)?;
        let sidecar = by_name(&pod, "/spec/initContainers")?;
        if sidecar["livenessProbe"].get(probe).is_none() {
            let text = format!("{name}: the liveness probe is {}", sidecar["livenessProbe"]);
            return Err(Failure::new(text));
        }
    }
    let killed = async || Ok(restarts(&pod(stack, DEAD_HTTP)?)? > 0);
    eventually("the kubelet kills the sidecar with an http probe", KILLED_WITHIN, killed).await?;
    for name in [LIVE, DEAD] {
        let pod = pod(stack, name)?;
        let sidecar = by_name(&pod, "/status/initContainerStatuses")?;
        if restarts(&pod)? > 0 || sidecar["ready"] != true {
            return Err(Failure::new(format!("{name}: the sidecar is {sidecar}")));
        }
        let of_pod = format!("reason=Unhealthy,involvedObject.name={name}");
        let events = ["get", "events", "-n", MESH_NAMESPACE, "--field-selector", &of_pod];
        let path = "jsonpath={.items[*].message}";
        let failed = stack.kubectl(&[&events[..], &["-o", path]].concat())?;
        if failed.contains("Liveness") {
            return Err(Failure::new(format!("{name}: {failed}")));
        }
    }
    Ok("behind a dead proxy the sidecar lives, and one with an http probe is killed".to_owned())
}

/// How often the sidecar was started again.
fn restarts(pod: &Value) -> Outcome<u64> {
    let sidecar = by_name(pod, "/status/initContainerStatuses")?;
    sidecar["restartCount"].as_u64().context("read how often the sidecar was restarted")
}

/// What a list of a pod says of the sidecar.
fn by_name<'a>(pod: &'a Value, list: &str) -> Outcome<&'a Value> {
    let containers = pod.pointer(list).and_then(Value::as_array);
    let found = containers.into_iter().flatten().find(|one| one["name"] == SIDECAR);
    found.context(format!("find {SIDECAR} in {list}"))
}

fn pod(stack: &Stack, name: &str) -> Outcome<Value> {
    let text = stack.kubectl(&["get", "pod", name, "-n", MESH_NAMESPACE, "-o", "json"])?;
    serde_json::from_str(&text).context("read a pod")
}

fn address(stack: &Stack, name: &str) -> Outcome<String> {
    let ip = pod(stack, name)?.pointer("/status/podIP").and_then(Value::as_str).map(str::to_owned);
    ip.context(format!("find the address of the pod {name}"))
}
